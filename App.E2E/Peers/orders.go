// A service in Go as a team would write one, with the verifier that Gatehouse serves beside it.
package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"orders/gatehouse"
)

func main() {
	options := gatehouse.Options{Issuer: os.Getenv("ISSUER"), Audience: os.Getenv("AUDIENCE"), URL: os.Getenv("URL"), WhenStale: os.Getenv("WHEN_STALE")}
	if limit, err := strconv.Atoi(os.Getenv("STALE_AFTER")); err == nil {
		options.StaleAfter = time.Duration(limit) * time.Second
	}
	if now, err := strconv.ParseInt(os.Getenv("NOW"), 10, 64); err == nil {
		options.Now = func() time.Time { return time.Unix(now, 0) }
	}
	gate, err := gatehouse.New(options)
	if err != nil {
		panic(err)
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	go func() {
		<-stop
		gate.Close()
		os.Exit(0)
	}()
	http.HandleFunc("/stats", func(w http.ResponseWriter, r *http.Request) { json.NewEncoder(w).Encode(gate.Stats()) })
	http.HandleFunc("/goroutines", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, runtime.NumGoroutine()) })
	http.Handle("/", gate.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		claims := gatehouse.ClaimsOf(r.Context())
		json.NewEncoder(w).Encode(map[string]any{"id": claims["sub"], "email": claims["email"]})
	})))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println("listening", listener.Addr().(*net.TCPAddr).Port)
	http.Serve(listener, nil)
}
