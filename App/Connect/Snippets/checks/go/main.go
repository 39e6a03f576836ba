package main

import (
	"encoding/json"
	"log"
	"net/http"
	"os"

	"{client_id}/gatehouse"
)

func main() {
	gate, err := gatehouse.New(gatehouse.Options{Issuer: "{issuer}", Audience: "{audience}", ClientID: "{client_id}"})
	if err != nil {
		log.Fatal(err)
	}
	http.Handle("/", gate.Middleware(http.HandlerFunc(hello)))
	log.Fatal(http.ListenAndServe("localhost:"+os.Getenv("PORT"), nil))
}

func hello(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(map[string]any{"hello": gatehouse.ClaimsOf(r.Context())["email"]})
}
