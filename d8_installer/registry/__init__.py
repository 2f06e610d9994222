"""Everything that speaks to registries. What to fetch, where to put it and whether to trust it is decided elsewhere.

- RPP, the registry-packages-proxy: ``endpoint``, ``rpp_wire``, ``rpp_routes``, ``rpp_errors``, and the Source ``rpp``
- OCI registries: ``oci_address``, ``oci_errors``, ``auth``, ``keychain``, ``http_ranges``, the Source ``oci_registry``
  and the Destination ``oci_push``
- files: ``oci_layout`` (Source and Destination) and ``bundle`` (Source); they import nothing of the following
- HTTP: ``client``, ``stream``, ``retry``, ``http_status``, ``transport_errors``, ``tls``, ``network``, ``origin``
- over all of them: ``fallback`` (several sources as one) and ``manifest_cache``
"""
