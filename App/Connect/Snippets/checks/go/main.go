package main

import (
	"context"
	"encoding/json"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"{client_id}/gatehouse"
)

func main() {
	gate, err := gatehouse.New(gatehouse.Options{Issuer: "{issuer}", Audience: "{audience}", ClientID: "{client_id}"})
	if err != nil {
		log.Fatal(err)
	}
	http.Handle("/", gate.Middleware(http.HandlerFunc(hello)))
	server := &http.Server{Addr: "localhost:" + os.Getenv("PORT")}
	go func() {
		if err := server.ListenAndServe(); err != http.ErrServerClosed {
			log.Fatal(err)
		}
	}()

	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, os.Interrupt)
	<-stop
	patience, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	server.Shutdown(patience)
	gate.Close()
}

func hello(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(map[string]any{"hello": gatehouse.ClaimsOf(r.Context())["email"]})
}
