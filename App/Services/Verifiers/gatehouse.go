// Package gatehouse checks Gatehouse's access tokens in this process and hears of sign-outs within moments.
// One file, yours to keep and to change. It needs Go 1.19 and golang-jwt 4 or 5.
//
//	gate, err := gatehouse.New(gatehouse.Options{Issuer: "https://id.example.com", Audience: "orders"})
//	http.Handle("/orders", gate.Middleware(orders)) // there: gatehouse.ClaimsOf(r.Context())["email"]
package gatehouse

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"
	"math/rand"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v4"
)

const (
	skew, slack = 30, 900          // s by which two clocks may differ, and by which one may jump
	longestLife = 3600             // s that a token of ours may live
	maxToken    = 8192             // characters
	patience    = 5 * time.Second  // for any answer, and that the first tokens wait for the feed's snapshot
	silence     = 12 * time.Second // without data after which the feed is opened anew
	keysAge     = 5 * time.Minute  // after which the keys are fetched again in the background
	keysPause   = 30 * time.Second // between two fetches that unknown key ids in tokens may cause
)

// Options of a service. Issuer and Audience have no default.
type Options struct {
	Issuer       string           // Gatehouse's public address: the iss of its tokens, exactly
	Audience     string           // the aud that tokens for this service bear
	URL          string           // where Gatehouse is reached from here; by default the issuer
	ClientID     string           // this service's id; by default GATEHOUSE_CLIENT_ID or else the audience
	ClientSecret string           // by default GATEHOUSE_CLIENT_SECRET
	WhenStale    string           // past StaleAfter: "introspect" (RFC 7662; the default), "refuse" or "accept"
	StaleAfter   time.Duration    // since the feed's last word; 15 s by default; below 6 s the heartbeat looks late
	Instance     string           // this process among its replicas; by default host name and process id
	Cookie       string           // name of the session cookie; by default "session"
	Now          func() time.Time // the clock that tokens are judged by
}

// Stats is what there is to see of a verifier; FeedAge is in seconds, negative before the first snapshot.
type Stats struct {
	Connected       bool           `json:"connected"`
	Cursor          int64          `json:"cursor"`
	FeedAge         float64        `json:"feedAgeSeconds"`
	RevocationsHeld int            `json:"revocationsHeld"`
	Refusals        map[string]int `json:"refusals"`
	Introspections  int            `json:"introspections"`
	LastError       string         `json:"lastError"`
}

// Refused says why a token isn't good: one of a few fixed words, fit for a metric's label; it never quotes the token.
type Refused string

func (reason Refused) Error() string { return "token refused: " + string(reason) }

// Inside this file a refusal is a panic, caught in decide; so each rule is one line.
func refuse(when bool, reason Refused) {
	if when {
		panic(reason)
	}
}

type revocation struct{ notBefore, expires int64 } // refuses tokens issued up to notBefore; held until expires

// Gatehouse follows one Gatehouse for one service. Its methods may be called from any goroutine.
type Gatehouse struct {
	Options
	Close    context.CancelFunc
	ctx      context.Context
	wake     chan struct{}   // there is something to acknowledge or to fetch
	ready    context.Context // done at the first snapshot, or when patience is at its end
	beReady  context.CancelFunc
	keys     atomic.Pointer[map[string]*ecdsa.PublicKey]
	fetching sync.Mutex   // whoever comes while one fetch of keys is under way waits for it
	missAt   time.Time    // under fetching
	mu       sync.RWMutex // of all below
	keysAt   time.Time
	freshAt  time.Time
	revoked  map[string]revocation
	stats    Stats
}

// New starts to follow the feed; Close ends that.
func New(o Options) (*Gatehouse, error) {
	host, _ := os.Hostname()
	o.URL = either(o.URL, o.Issuer)
	o.ClientID = either(o.ClientID, os.Getenv("GATEHOUSE_CLIENT_ID"), o.Audience)
	o.ClientSecret = either(o.ClientSecret, os.Getenv("GATEHOUSE_CLIENT_SECRET"))
	o.WhenStale = either(o.WhenStale, "introspect")
	o.Cookie = either(o.Cookie, "session")
	o.Instance = either(o.Instance, fmt.Sprintf("%d-%.50s", os.Getpid(), host))
	if o.StaleAfter == 0 {
		o.StaleAfter = 15 * time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Issuer == "" || o.Audience == "" || o.ClientSecret == "" {
		return nil, errors.New("gatehouse needs Issuer, Audience and ClientSecret")
	}
	if !strings.Contains(" introspect refuse accept ", " "+o.WhenStale+" ") || o.StaleAfter < 0 {
		return nil, errors.New("gatehouse: WhenStale or StaleAfter is out of bounds")
	}
	g := &Gatehouse{Options: o, wake: make(chan struct{}, 1), revoked: map[string]revocation{}}
	g.keys.Store(&map[string]*ecdsa.PublicKey{})
	g.stats.Refusals = map[string]int{}
	g.ctx, g.Close = context.WithCancel(context.Background())
	g.ready, g.beReady = context.WithTimeout(context.Background(), patience)
	go g.follow()
	go g.runErrands()
	return g, nil
}

func either(values ...string) string {
	for _, value := range values {
		if value != "" {
			return value
		}
	}
	return ""
}

// Stats is a copy.
func (g *Gatehouse) Stats() Stats {
	g.mu.RLock()
	defer g.mu.RUnlock()
	s := g.stats
	s.RevocationsHeld, s.FeedAge, s.Refusals = len(g.revoked), -1, map[string]int{}
	if !g.freshAt.IsZero() {
		s.FeedAge = time.Since(g.freshAt).Seconds()
	}
	for reason, count := range g.stats.Refusals {
		s.Refusals[reason] = count
	}
	return s
}

type claimsKey struct{}

// ClaimsOf returns the claims that Middleware has found, nil outside it.
func ClaimsOf(ctx context.Context) map[string]any {
	claims, _ := ctx.Value(claimsKey{}).(map[string]any)
	return claims
}

// Middleware hands on the good requests and answers the others 401 (RFC 6750 section 3) as problem+json.
func (g *Gatehouse) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		claims, err := g.decide(func() string { return readCredentials(r.Header, g.Cookie) })
		if err == nil {
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), claimsKey{}, claims)))
			return
		}
		challenge := fmt.Sprintf(`Bearer error="invalid_token", error_description="%s"`, string(err.(Refused)))
		w.Header().Set("WWW-Authenticate", challenge)
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusUnauthorized)
		io.WriteString(w, `{"title":"Not authorized","status":401,"errors":[{"message":"Not authorized"}]}`)
	})
}

// Verify returns the token's claims (numbers as json.Number), or a Refused.
func (g *Gatehouse) Verify(token string) (map[string]any, error) {
	return g.decide(func() string { return token })
}

func (g *Gatehouse) decide(read func() string) (claims map[string]any, err error) {
	defer func() {
		switch reason := recover().(type) {
		case nil:
		case Refused:
			g.locked(func() { g.stats.Refusals[string(reason)]++ })
			claims, err = nil, reason
		default:
			panic(reason)
		}
	}()
	return g.check(read()), nil
}

func (g *Gatehouse) check(token string) map[string]any {
	kid, claims := readToken(token, g.Issuer, g.Audience, g.Now().Unix())
	<-g.ready.Done()
	key := g.findKey(kid)
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"ES256"}), jwt.WithoutClaimsValidation())
	_, err := parser.Parse(token, func(*jwt.Token) (any, error) { return key, nil })
	refuse(err != nil, "signature")
	stale := g.refuseRevoked(kid, claims)
	if !stale || g.WhenStale == "accept" {
		return claims
	}
	refuse(g.WhenStale == "refuse", "stale")
	g.locked(func() { g.stats.Introspections++ }) // the answer is for this request alone
	var answer struct{ Active bool }
	form := url.Values{"token": {token}}.Encode()
	err = g.ask("/connect/introspect", form, "application/x-www-form-urlencoded", &answer)
	refuse(err != nil, "introspection_failed")
	refuse(!answer.Active, "inactive")
	return claims
}

// Says besides whether the feed is stale.
func (g *Gatehouse) refuseRevoked(kid string, claims map[string]any) bool {
	g.mu.RLock()
	defer g.mu.RUnlock()
	refuse(seconds(claims["iat"]) <= g.revoked["kid "+kid].notBefore, "key_revoked")
	refuse(seconds(claims["iat"]) <= g.revoked["sid "+claims["sid"].(string)].notBefore, "session_revoked")
	refuse(seconds(claims["iat"]) <= g.revoked["sub "+claims["sub"].(string)].notBefore, "user_revoked")
	return time.Since(g.freshAt) > g.StaleAfter
}

func (g *Gatehouse) locked(change func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	change()
}

func (g *Gatehouse) findKey(kid string) *ecdsa.PublicKey {
	if key := (*g.keys.Load())[kid]; key != nil {
		return key
	}
	g.fetching.Lock()
	defer g.fetching.Unlock()
	if (*g.keys.Load())[kid] == nil && time.Since(g.missAt) > keysPause {
		g.missAt = time.Now()
		g.fetchKeys()
	}
	key := (*g.keys.Load())[kid]
	refuse(key == nil, "unknown_key")
	return key
}

// All that are published, so that the next one is here before its first use. Call it with fetching held.
func (g *Gatehouse) fetchKeys() {
	g.locked(func() { g.keysAt = time.Now() })
	var published struct {
		Keys []struct{ Kid, Crv, X, Y string }
	}
	if err := g.ask("/.well-known/jwks.json", "", "", &published); err != nil {
		g.locked(func() { g.keysAt = time.Time{} })
		return
	}
	keys := map[string]*ecdsa.PublicKey{}
	for _, k := range published.Keys {
		x, _ := base64.RawURLEncoding.DecodeString(k.X)
		y, _ := base64.RawURLEncoding.DecodeString(k.Y)
		key := &ecdsa.PublicKey{Curve: elliptic.P256(), X: new(big.Int).SetBytes(x), Y: new(big.Int).SetBytes(y)}
		if k.Crv == "P-256" && key.IsOnCurve(key.X, key.Y) {
			keys[k.Kid] = key
		}
	}
	g.keys.Store(&keys)
}

// Anything but success is an error; a body makes it a POST.
func (g *Gatehouse) send(ctx context.Context, path, body, header, value string) (io.ReadCloser, error) {
	method := http.MethodGet
	if body != "" {
		method = http.MethodPost
	}
	r, err := http.NewRequestWithContext(ctx, method, g.URL+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.SetBasicAuth(url.QueryEscape(g.ClientID), url.QueryEscape(g.ClientSecret)) // RFC 6749 section 2.3.1
	r.Header.Set(header, value)
	response, err := http.DefaultTransport.RoundTrip(r) // a client would follow redirects, credentials and all
	if err != nil {
		return nil, err
	}
	if response.StatusCode >= 300 {
		response.Body.Close()
		return nil, fmt.Errorf("%s answered %d", path, response.StatusCode)
	}
	return response.Body, nil
}

func (g *Gatehouse) ask(path, body, contentType string, answer any) error {
	ctx, cancel := context.WithTimeout(g.ctx, patience)
	defer cancel()
	reply, err := g.send(ctx, path, body, "Content-Type", contentType)
	if err == nil {
		defer reply.Close()
		if answer != nil {
			err = json.NewDecoder(reply).Decode(answer)
		}
	}
	g.note(err)
	return err
}

func (g *Gatehouse) note(err error) {
	if err != nil {
		g.locked(func() { g.stats.LastError = err.Error() })
	}
}

// The feed: a snapshot of all revocations in force, then each new one, and a heartbeat every 5 s.
func (g *Gatehouse) follow() {
	pause := 50 * time.Millisecond
	for g.ctx.Err() == nil {
		g.note(g.listen())
		if g.Stats().Connected {
			pause = 50 * time.Millisecond
		}
		g.locked(func() { g.stats.Connected = false })
		if pause *= 2; pause > 2*time.Second {
			pause = 2 * time.Second
		}
		select {
		case <-g.ctx.Done():
		case <-time.After(time.Duration((0.5 + rand.Float64()/2) * float64(pause))):
		}
	}
}

func (g *Gatehouse) listen() error {
	ctx, cancel := context.WithCancel(g.ctx)
	defer cancel()
	silent := time.AfterFunc(silence, cancel)
	defer silent.Stop()
	header, value := "Accept", "text/event-stream"
	if s := g.Stats(); s.FeedAge >= 0 {
		header, value = "Last-Event-ID", fmt.Sprint(s.Cursor)
	}
	feed, err := g.send(ctx, "/events?instance="+g.Instance, "", header, value)
	if err != nil {
		return err
	}
	defer feed.Close()
	for lines := bufio.NewReader(feed); ; silent.Reset(silence) {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return err
		}
		var message entry
		if data := bytes.TrimPrefix(line, []byte("data:")); len(data) == len(line) {
			continue
		} else if err := json.Unmarshal(data, &message); err != nil {
			return err
		}
		g.locked(func() { g.receive(message) })
		g.wakeUp()
	}
}

// An event, or a snapshot, which has Events, or a heartbeat, which has nothing but the Cursor.
type entry struct {
	Type, Sub, Sid, Kid, Reason string
	NotBefore, Expires, Cursor  int64
	Events                      []entry
}

func (g *Gatehouse) receive(message entry) {
	if message.Type != "" {
		g.apply(message)
	} else { // a snapshot or a heartbeat: nothing is missing up to here, and what is held is never forgiven
		for _, e := range message.Events {
			g.apply(e)
		}
		g.freshAt = time.Now()
		for id, held := range g.revoked {
			if held.expires+slack < g.Now().Unix() {
				delete(g.revoked, id)
			}
		}
	}
	g.stats.Cursor, g.stats.Connected = message.Cursor, true
}

func (g *Gatehouse) apply(e entry) {
	switch {
	case e.Type == "signing-key-changed":
		g.keysAt = time.Time{}
		if e.Reason == "revoked" {
			g.revoked["kid "+e.Kid] = revocation{math.MaxInt64, e.Expires}
		}
	case e.Sid != "":
		g.revoked["sid "+e.Sid] = revocation{math.MaxInt64, e.Expires}
	case e.NotBefore >= g.revoked["sub "+e.Sub].notBefore:
		g.revoked["sub "+e.Sub] = revocation{e.NotBefore, e.Expires}
	}
}

func (g *Gatehouse) wakeUp() {
	select {
	case g.wake <- struct{}{}:
	default: // it has been told already
	}
}

// Acknowledges the newest cursor and fetches keys, in nobody's way; what fails is tried again at the next heartbeat.
func (g *Gatehouse) runErrands() {
	acknowledged := int64(-1)
	for {
		select {
		case <-g.ctx.Done():
			return
		case <-g.wake:
		}
		g.mu.RLock()
		cursor, keysAt := g.stats.Cursor, g.keysAt
		g.mu.RUnlock()
		if time.Since(keysAt) > keysAge {
			g.fetching.Lock()
			g.fetchKeys()
			g.fetching.Unlock()
		}
		g.beReady()
		body, _ := json.Marshal(map[string]any{"cursor": cursor, "instance": g.Instance})
		if cursor != acknowledged && g.ask("/events/ack", string(body), "application/json", nil) == nil {
			acknowledged = cursor
		}
	}
}

// The bearer token, which decides alone (RFC 6750 section 2.1), else the cookie's: base64 of {"jwt":"…"}.
func readCredentials(h http.Header, name string) string {
	authorization := strings.Join(h["Authorization"], ",")
	if strings.Contains(strings.ToLower(authorization), "bearer") {
		scheme, token, _ := strings.Cut(authorization, " ")
		refuse(!strings.EqualFold(scheme, "bearer"), "malformed")
		return token
	}
	values := map[string]bool{}
	isComma := func(c rune) bool { return c == ';' || c == ',' }
	for _, pair := range strings.FieldsFunc(strings.Join(h["Cookie"], ";"), isComma) {
		if given, value, _ := strings.Cut(strings.TrimSpace(pair), "="); given == name {
			values[value] = true
		}
	}
	refuse(len(values) == 0, "missing")
	refuse(len(values) > 1, "malformed") // a sign of tampering
	var token string
	for value := range values {
		text, err := base64.StdEncoding.Strict().DecodeString(value)
		refuse(err != nil, "malformed")
		token, _ = readObject(text)["jwt"].(string)
	}
	return token
}

// The strict form: RFC 7515 section 3.1, RFC 8725 sections 2.6, 3.1, 3.10, 3.11, RFC 9068 section 2.
func readToken(token, issuer, audience string, now int64) (string, map[string]any) {
	parts := strings.Split(token, ".")
	refuse(len(parts) != 3 || len(token) > maxToken || strings.ContainsAny(token, "\r\n"), "malformed")
	var decoded [3][]byte
	for i, part := range parts {
		var err error
		decoded[i], err = base64.RawURLEncoding.Strict().DecodeString(part) // strict: one token has one spelling
		refuse(err != nil, "malformed")
	}
	header, claims := readObject(decoded[0]), readObject(decoded[1])
	kid, named := header["kid"].(string)
	_, critical := header["crit"]
	refuse(header["alg"] != "ES256" || header["typ"] != "at+jwt" || !named || critical, "header")
	refuse(claims["iss"] != issuer, "issuer")
	audiences, several := claims["aud"].([]any)
	if !several {
		audiences = []any{claims["aud"]}
	}
	ours := false
	for _, one := range audiences {
		ours = ours || one == audience
	}
	refuse(!ours, "audience")
	_, hasSid := claims["sid"].(string)
	sub, hasSub := claims["sub"].(string)
	refuse(!hasSid || !hasSub || sub == "" || claims["id"] != sub, "claims")
	issued, expires, begins := seconds(claims["iat"]), seconds(claims["exp"]), seconds(claims["iat"])
	if nbf, there := claims["nbf"]; there && seconds(nbf) > begins {
		begins = seconds(nbf)
	}
	refuse(expires+skew <= now, "expired")
	refuse(begins-skew > now, "not_yet_valid")
	refuse(expires <= begins || expires-issued > longestLife, "claims")
	return kid, claims
}

func seconds(claim any) int64 {
	number, _ := claim.(json.Number)
	value, err := number.Int64()
	refuse(err != nil || value < 0, "claims")
	return value
}

// One JSON object in UTF-8 in which no member is named twice, at any depth: of two, encoding/json keeps only the last.
func readObject(text []byte) (object map[string]any) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	err := decoder.Decode(&object)
	refuse(err != nil || object == nil || !json.Valid(text) || !utf8.Valid(text), "malformed")
	kept, _ := json.Marshal(object)
	refuse(countColons(text) != countColons(kept), "malformed")
	return object
}

var quoted = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)

func countColons(text []byte) int { return bytes.Count(quoted.ReplaceAll(text, nil), []byte(":")) }
