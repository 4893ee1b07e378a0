// An API that checks each request's token by asking Tokensmith's /auth, with nothing but net/http.
package main

import (
	"fmt"
	"log"
	"net/http"
	"os"
	"time"
)

var client = &http.Client{
	Timeout:       2 * time.Second,
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

func needs(permission string, next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		question, err := http.NewRequestWithContext(r.Context(), "GET", os.Getenv("AUTH_URL")+"?permission="+permission, nil)
		if err != nil {
			log.Fatal(err)
		}
		question.Header["Authorization"] = r.Header["Authorization"]
		answer, err := client.Do(question)
		if err == nil {
			answer.Body.Close()
		}
		switch {
		case err == nil && answer.StatusCode == 200:
			r.Header["X-Auth-Project-Id"] = answer.Header["X-Auth-Project-Id"]
			r.Header["X-Auth-Token-Id"] = answer.Header["X-Auth-Token-Id"]
			next(w, r)
		case err == nil && (answer.StatusCode == 401 || answer.StatusCode == 403):
			w.Header()["Www-Authenticate"] = answer.Header["Www-Authenticate"]
			w.WriteHeader(answer.StatusCode)
		default: // no answer is not a yes
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(503)
		}
	}
}

func main() {
	http.HandleFunc("/calls", needs("calling", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"project":%q,"token":%q}`, r.Header.Get("X-Auth-Project-Id"), r.Header.Get("X-Auth-Token-Id"))
	}))
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), nil))
}
