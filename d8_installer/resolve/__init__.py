"""From requirements to a resolution to a lock: decides every version and every digest, without I/O.

``choose.resolve`` and ``pin.pin`` are generators: they yield a round of questions (Needs), are sent the Answers, and
return their result. The caller that drives them owns the network and the threads.
"""
