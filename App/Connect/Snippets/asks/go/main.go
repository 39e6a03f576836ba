package main

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"log"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

var client = &http.Client{Timeout: 2 * time.Second}

// whoIsCalling asks Gatehouse about the token of each request (RFC 7662), so nothing here can be out of date.
// The claims are nil for nobody; an error means that Gatehouse could not be asked.
func whoIsCalling(r *http.Request) (map[string]any, error) {
	body := strings.NewReader(url.Values{"token": {tokenOf(r)}}.Encode())
	question, err := http.NewRequestWithContext(r.Context(), "POST", "{issuer}/connect/introspect", body)
	if err != nil {
		return nil, err
	}
	question.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	question.SetBasicAuth("{client_id}", url.QueryEscape(os.Getenv("GATEHOUSE_CLIENT_SECRET")))
	answer, err := client.Do(question)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, errors.New("Gatehouse answered " + answer.Status)
	}
	var claims map[string]any
	if err := json.NewDecoder(answer.Body).Decode(&claims); err != nil || !isPerson(claims) {
		return nil, err
	}
	return claims, nil
}

// A refresh token, or a service's own, is active too, but nobody is calling with it.
func isPerson(claims map[string]any) bool {
	_, ofSession := claims["sid"].(string)
	audiences, _ := claims["aud"].([]any)
	for _, audience := range audiences {
		if audience == "{audience}" {
			return claims["active"] == true && claims["token_type"] == "Bearer" && ofSession
		}
	}
	return false
}

// A bearer token decides alone; else the session cookie, which is base64 of {"jwt":"..."}.
func tokenOf(r *http.Request) string {
	if header := r.Header.Get("Authorization"); header != "" {
		if scheme, token, _ := strings.Cut(header, " "); strings.EqualFold(scheme, "Bearer") {
			return strings.TrimLeft(token, " ")
		}
		return ""
	}
	var session struct{ JWT string }
	if cookie, err := r.Cookie("{session_cookie}"); err == nil {
		text, _ := base64.StdEncoding.DecodeString(cookie.Value)
		json.Unmarshal(text, &session)
	}
	return session.JWT
}

func main() {
	if os.Getenv("GATEHOUSE_CLIENT_SECRET") == "" {
		log.Fatal("Set GATEHOUSE_CLIENT_SECRET to the secret of {client_id}.")
	}
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		user, err := whoIsCalling(r)
		switch {
		case err != nil:
			log.Print(err)
			http.Error(w, "Try again in a moment", http.StatusServiceUnavailable)
		case user == nil:
			w.Header().Set("WWW-Authenticate", "Bearer")
			http.Error(w, "Not authorized", http.StatusUnauthorized)
		default:
			w.Header().Set("Content-Type", "application/json")
			json.NewEncoder(w).Encode(map[string]any{"hello": user["email"]})
		}
	})
	log.Fatal(http.ListenAndServe("localhost:"+os.Getenv("PORT"), nil))
}
