// authorizing-front stands before a registry-packages-proxy, as kube-rbac-proxy does in a Deckhouse cluster: it asks
// a Kubernetes API server who a request is from (TokenReview) and what they may do (SubjectAccessReview).
//
// It says "listening on HOST:PORT" on stdout, and ends when its standard input ends.
package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/authenticatorfactory"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/authorization/authorizerfactory"
	"k8s.io/apiserver/pkg/server/dynamiccertificates"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// verbs are those of Kubernetes for the methods of HTTP. HEAD has none, and is asked for as "*".
var verbs = map[string]string{
	http.MethodGet:    "get",
	http.MethodPost:   "create",
	http.MethodPut:    "update",
	http.MethodPatch:  "patch",
	http.MethodDelete: "delete",
}

type settings struct {
	listen, upstream, kubeconfig, certificate, key, clientCA, log string
	tokenTTL, allowTTL, denyTTL                                   time.Duration
}

func main() {
	log.SetFlags(0)
	var s settings
	flag.StringVar(&s.listen, "listen", "127.0.0.1:0", "address to listen on")
	flag.StringVar(&s.upstream, "upstream", "", "URL of the proxy behind")
	flag.StringVar(&s.kubeconfig, "kubeconfig", "", "who asks the API server")
	flag.StringVar(&s.certificate, "cert", "", "serving certificate (PEM)")
	flag.StringVar(&s.key, "key", "", "its key (PEM)")
	flag.StringVar(&s.clientCA, "client-ca", "", "whose client certificates are accepted (PEM); none without it")
	flag.StringVar(&s.log, "log", "", "file for one JSON line a request")
	flag.DurationVar(&s.tokenTTL, "token-ttl", 2*time.Minute, "how long a token review is kept")
	flag.DurationVar(&s.allowTTL, "allow-ttl", 5*time.Minute, "how long an approval is kept")
	flag.DurationVar(&s.denyTTL, "deny-ttl", 30*time.Second, "how long a denial is kept")
	flag.Parse()
	if err := run(s); err != nil {
		log.Fatal(err)
	}
}

func run(s settings) error {
	upstream, err := url.Parse(s.upstream)
	if err != nil {
		return err
	}
	people, rights, err := reviewers(s)
	if err != nil {
		return err
	}
	file, err := os.OpenFile(s.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", s.listen)
	if err != nil {
		return err
	}
	proxy := httputil.NewSingleHostReverseProxy(upstream)
	proxy.FlushInterval = -1
	server := &http.Server{
		Handler:   &front{people: people, rights: rights, next: proxy, log: json.NewEncoder(file)},
		TLSConfig: &tls.Config{MinVersion: tls.VersionTLS12, ClientAuth: tls.RequestClientCert},
		ErrorLog:  log.New(io.Discard, "", 0),
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		_ = server.Close()
	}()
	fmt.Println("listening on", listener.Addr())
	if err := server.ServeTLS(listener, s.certificate, s.key); err != http.ErrServerClosed {
		return err
	}
	return nil
}

// reviewers returns what asks the API server who somebody is, and what they may do.
func reviewers(s settings) (authenticator.Request, authorizer.Authorizer, error) {
	config, err := clientcmd.BuildConfigFromFlags("", s.kubeconfig)
	if err != nil {
		return nil, nil, err
	}
	config.QPS = -1 // no limit: without its caches the front asks far more often than a client may by default
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, nil, err
	}
	// Seconds of retries belong to a real cluster; a test of an API server that is down must not wait for them.
	soon := &wait.Backoff{Duration: 10 * time.Millisecond, Factor: 1, Steps: 2}
	asked := authenticatorfactory.DelegatingAuthenticatorConfig{
		TokenAccessReviewClient:  client.AuthenticationV1(),
		TokenAccessReviewTimeout: 10 * time.Second,
		WebhookRetryBackoff:      soon,
		CacheTTL:                 s.tokenTTL,
	}
	if s.clientCA != "" {
		if asked.ClientCertificateCAContentProvider, err = dynamiccertificates.NewDynamicCAContentFromFile("client-ca", s.clientCA); err != nil {
			return nil, nil, err
		}
	}
	people, _, err := asked.New()
	if err != nil {
		return nil, nil, err
	}
	rights, err := authorizerfactory.DelegatingAuthorizerConfig{
		SubjectAccessReviewClient: client.AuthorizationV1(),
		AllowCacheTTL:             s.allowTTL,
		DenyCacheTTL:              s.denyTTL,
		WebhookRetryBackoff:       soon,
	}.New()
	return people, rights, err
}

type front struct {
	people authenticator.Request
	rights authorizer.Authorizer
	next   http.Handler
	writes sync.Mutex
	log    *json.Encoder
}

// seen is one request of the log.
type seen struct {
	Method string `json:"method"`
	Path   string `json:"path"`
	Host   string `json:"host"`
	User   string `json:"user"`
	Token  bool   `json:"token"`
	Status int    `json:"status"`
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	line := seen{Method: r.Method, Path: r.URL.Path, Host: r.Host, Token: r.Header.Get("Authorization") != ""}
	answer := &statusWriter{ResponseWriter: w, status: http.StatusOK}
	defer func() {
		line.Status = answer.status
		f.writes.Lock()
		defer f.writes.Unlock()
		_ = f.log.Encode(line)
	}()
	who, known, err := f.people.AuthenticateRequest(r)
	if err != nil || !known {
		http.Error(answer, "Unauthorized", http.StatusUnauthorized)
		return
	}
	line.User = who.User.GetName()
	asked := attributes(r.Method, who.User)
	decision, _, err := f.rights.Authorize(context.WithoutCancel(r.Context()), asked)
	if err != nil {
		http.Error(answer, "Authorization error "+described(asked), http.StatusInternalServerError)
		return
	}
	if decision != authorizer.DecisionAllow {
		http.Error(answer, "Forbidden "+described(asked), http.StatusForbidden)
		return
	}
	r.Header.Del("Authorization")
	f.next.ServeHTTP(answer, r)
}

func attributes(method string, who user.Info) authorizer.AttributesRecord {
	verb := verbs[method]
	if verb == "" {
		verb = "*"
	}
	return authorizer.AttributesRecord{
		User:            who,
		Verb:            verb,
		Namespace:       "d8-cloud-instance-manager",
		APIGroup:        "apps",
		APIVersion:      "v1",
		Resource:        "deployments",
		Subresource:     "cli-binary",
		Name:            "registry-packages-proxy",
		ResourceRequest: true,
	}
}

func described(asked authorizer.AttributesRecord) string {
	return fmt.Sprintf("(user=%s, verb=%s, resource=%s, subresource=%s)", asked.User.GetName(), asked.Verb, asked.Resource, asked.Subresource)
}

// statusWriter remembers the status that was sent.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets the reverse proxy flush what it has.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
