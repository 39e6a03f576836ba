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
	"math/rand"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"sync"
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
	ready    context.Context // done at the first snapshot, or when patience is at its end
	beReady  context.CancelFunc
	wake     chan struct{} // there may be something to acknowledge or to fetch
	fetching sync.Mutex    // whoever comes while one fetch of keys is under way waits for it
	mu       sync.Mutex    // of all below
	keys     map[string]*ecdsa.PublicKey
	keysAt   time.Time
	missAt   time.Time
	freshAt  time.Time
	revoked  map[string]revocation // by id
	stats    Stats
}

// New starts to follow the feed; Close ends that.
func New(o Options) (*Gatehouse, error) {
	host, _ := os.Hostname()
	o.URL = either(o.URL, o.Issuer)
	o.ClientID = either(o.ClientID, os.Getenv("GATEHOUSE_CLIENT_ID"), o.Audience)
	o.ClientSecret = either(o.ClientSecret, os.Getenv("GATEHOUSE_CLIENT_SECRET"))
	o.WhenStale = either(o.WhenStale, "introspect")
	o.StaleAfter = either(o.StaleAfter, 15*time.Second)
	o.Cookie = either(o.Cookie, "session")
	o.Instance = either(o.Instance, fmt.Sprintf("%d-%.50s", os.Getpid(), host))
	o.Instance = regexp.MustCompile(`[^A-Za-z0-9_.-]`).ReplaceAllString(o.Instance, "-")
	if o.Now == nil {
		o.Now = time.Now
	}
	modes := map[string]bool{"introspect": true, "refuse": true, "accept": true}
	if o.Issuer == "" || o.Audience == "" || o.ClientSecret == "" || !modes[o.WhenStale] || o.StaleAfter < 0 {
		return nil, errors.New("gatehouse needs Issuer, Audience and ClientSecret; WhenStale, StaleAfter in bounds")
	}
	g := &Gatehouse{Options: o, wake: make(chan struct{}, 1), revoked: map[string]revocation{}}
	g.stats = Stats{FeedAge: -1, Refusals: map[string]int{}}
	g.ctx, g.Close = context.WithCancel(context.Background())
	g.ready, g.beReady = context.WithTimeout(g.ctx, patience)
	go g.follow()
	go g.runErrands()
	return g, nil
}

func either[T comparable](values ...T) (found T) {
	for _, value := range values {
		if found == *new(T) {
			found = value
		}
	}
	return found
}

func (g *Gatehouse) locked(change func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	change()
}

// Stats is a copy.
func (g *Gatehouse) Stats() (s Stats) {
	g.locked(func() {
		s = g.stats
		s.RevocationsHeld, s.Refusals = len(g.revoked), map[string]int{}
		if !g.freshAt.IsZero() {
			s.FeedAge = time.Since(g.freshAt).Seconds()
		}
		for reason, count := range g.stats.Refusals {
			s.Refusals[reason] = count
		}
	})
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

// Verify returns the token's claims, or a Refused.
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
	kid, told, claims := readToken(token, g.Issuer, g.Audience, g.Now().Unix())
	<-g.ready.Done()
	key := g.findKey(kid)
	refuse(key == nil, "unknown_key")
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"ES256"}), jwt.WithoutClaimsValidation())
	_, err := parser.Parse(token, func(*jwt.Token) (any, error) { return key, nil })
	refuse(err != nil, "signature")
	var stale bool
	ids, held := [3]string{kid, told.Sid, told.Sub}, [3]int64{}
	g.locked(func() {
		for i, id := range ids {
			held[i] = g.revoked[id].notBefore
		}
		stale = time.Since(g.freshAt) > g.StaleAfter
	})
	for i, reason := range [3]Refused{"key_revoked", "session_revoked", "user_revoked"} {
		refuse(told.Iat <= held[i], reason)
	}
	if stale && g.WhenStale != "accept" {
		refuse(g.WhenStale == "refuse", "stale")
		g.locked(func() { g.stats.Introspections++ })
		var answer struct{ Active bool } // for this request alone
		form := url.Values{"token": {token}}.Encode()
		err = g.ask("/connect/introspect", "application/x-www-form-urlencoded", form, &answer)
		refuse(err != nil, "introspection_failed")
		refuse(!answer.Active, "inactive")
	}
	return claims
}

func (g *Gatehouse) findKey(kid string) (key *ecdsa.PublicKey) {
	find := func() { key = g.keys[kid] }
	if g.locked(find); key != nil {
		return key
	}
	g.fetching.Lock()
	defer g.fetching.Unlock()
	if g.locked(find); key == nil && time.Since(g.missAt) > keysPause {
		g.missAt = time.Now()
		g.fetchKeys()
		g.locked(find)
	}
	return key
}

// All that are published, so that the next one is here before its first use. Call it with fetching held.
func (g *Gatehouse) fetchKeys() {
	g.locked(func() { g.keysAt = time.Now() })
	var published struct {
		Keys []struct{ Kid, Crv, X, Y string }
	}
	if g.ask("/.well-known/jwks.json", "", "", &published) != nil || len(published.Keys) == 0 {
		g.locked(func() { g.keysAt = time.Time{} })
		return
	}
	keys := map[string]*ecdsa.PublicKey{}
	for _, k := range published.Keys {
		x, _ := base64.RawURLEncoding.DecodeString(k.X)
		y, _ := base64.RawURLEncoding.DecodeString(k.Y)
		X, Y := elliptic.Unmarshal(elliptic.P256(), append(append([]byte{4}, x...), y...))
		if k.Crv == "P-256" && X != nil { // else it is no point of the curve
			keys[k.Kid] = &ecdsa.PublicKey{Curve: elliptic.P256(), X: X, Y: Y}
		}
	}
	g.locked(func() { g.keys = keys })
}

// Anything but success is an error; a body makes it a POST.
func (g *Gatehouse) send(ctx context.Context, path, contentType, body string) (io.ReadCloser, error) {
	method := map[bool]string{true: http.MethodGet, false: http.MethodPost}[body == ""]
	r, err := http.NewRequestWithContext(ctx, method, g.URL+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.SetBasicAuth(url.QueryEscape(g.ClientID), url.QueryEscape(g.ClientSecret)) // RFC 6749 section 2.3.1
	r.Header.Set("Content-Type", contentType)
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

func (g *Gatehouse) ask(path, contentType, body string, answer any) error {
	ctx, cancel := context.WithTimeout(g.ctx, patience)
	defer cancel()
	reply, err := g.send(ctx, path, contentType, body)
	if err == nil {
		defer reply.Close()
		if err = json.NewDecoder(reply).Decode(answer); err == io.EOF {
			err = nil // there is none
		}
	}
	if err != nil {
		g.locked(func() { g.stats.LastError = err.Error() })
	}
	return err
}

// The feed: a snapshot of all revocations in force, then each new one, and a heartbeat every 5 s.
func (g *Gatehouse) follow() {
	defer close(g.wake)
	for pause := 0.05; g.ctx.Err() == nil; {
		err := g.listen()
		g.locked(func() {
			g.stats.LastError = err.Error()
			if pause = math.Min(2, 2*pause); g.stats.Connected {
				pause = 0.1
			}
			g.stats.Connected = false
		})
		time.Sleep(time.Duration((0.5 + rand.Float64()/2) * pause * float64(time.Second)))
	}
}

func (g *Gatehouse) listen() error {
	ctx, cancel := context.WithCancel(g.ctx)
	defer cancel()
	silent := time.AfterFunc(silence, cancel)
	path := "/events?instance=" + g.Instance
	if s := g.Stats(); s.FeedAge >= 0 {
		path += fmt.Sprint("&cursor=", s.Cursor)
	}
	feed, err := g.send(ctx, path, "", "")
	if err != nil {
		return err
	}
	defer feed.Close()
	lines := bufio.NewScanner(heard{feed, func() { silent.Reset(silence) }})
	for lines.Buffer(nil, math.MaxInt32); lines.Scan(); {
		if !bytes.HasPrefix(lines.Bytes(), []byte("data:")) {
			continue
		}
		var message entry
		if err := json.Unmarshal(lines.Bytes()[5:], &message); err != nil {
			return err
		}
		g.locked(func() { g.receive(message) })
		select {
		case g.wake <- struct{}{}:
		default: // it has been woken already
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	return io.EOF
}

// Tells of whatever is read: a snapshot is one line, and may take longer than the feed may be silent.
type heard struct {
	io.Reader
	tell func()
}

func (h heard) Read(into []byte) (int, error) {
	defer h.tell()
	return h.Reader.Read(into)
}

// An event, or a snapshot, which has Events, or a heartbeat, which has nothing but the Cursor.
type entry struct {
	Type, Sub, Sid, Kid, Reason string
	NotBefore, Expires, Cursor  int64
	Events                      []entry
}

// What is held is never forgiven.
func (g *Gatehouse) receive(message entry) {
	for _, e := range append(message.Events, message) {
		id, until := either(e.Kid, e.Sid, e.Sub), e.NotBefore
		if e.Kid != "" {
			g.keysAt = time.Time{}
		}
		if e.Kid+e.Sid != "" {
			until = math.MaxInt64
		}
		if id != "" && (e.Kid == "" || e.Reason == "revoked") && until >= g.revoked[id].notBefore {
			g.revoked[id] = revocation{until, e.Expires}
		}
	}
	if message.Type == "" { // a snapshot or a heartbeat: nothing is missing up to here
		g.freshAt = time.Now()
		for id, held := range g.revoked {
			if held.expires+slack < g.Now().Unix() {
				delete(g.revoked, id)
			}
		}
	}
	g.stats.Cursor, g.stats.Connected = message.Cursor, true
}

// Acknowledges the newest cursor and fetches keys, in nobody's way; what fails is tried again at the next heartbeat.
func (g *Gatehouse) runErrands() {
	acknowledged := int64(-1)
	for range g.wake {
		var cursor int64
		var keysAt time.Time
		g.locked(func() { cursor, keysAt = g.stats.Cursor, g.keysAt })
		if time.Since(keysAt) > keysAge {
			g.fetching.Lock()
			g.fetchKeys()
			g.fetching.Unlock()
		}
		g.beReady()
		body := fmt.Sprintf(`{"cursor":%d,"instance":%q}`, cursor, g.Instance)
		if cursor != acknowledged && g.ask("/events/ack", "application/json", body, new(any)) == nil {
			acknowledged = cursor
		}
	}
}

// The bearer token, which decides alone (RFC 6750 section 2.1), else the cookie's: base64 of {"jwt":"…"}.
func readCredentials(h http.Header, name string) (token string) {
	authorization := strings.Join(h["Authorization"], ",")
	if strings.Contains(strings.ToLower(authorization), "bearer") {
		scheme, token, _ := strings.Cut(authorization, " ")
		refuse(!strings.EqualFold(scheme, "bearer"), "malformed")
		return token
	}
	cookie := regexp.MustCompile(`(?:^|[;,])\s*` + regexp.QuoteMeta(name) + `=([^;,]*)`)
	found := cookie.FindAllStringSubmatch(strings.Join(h["Cookie"], ";"), -1)
	refuse(len(found) == 0, "missing")
	value := strings.TrimSpace(found[0][1])
	for _, each := range found {
		refuse(strings.TrimSpace(each[1]) != value, "malformed") // a sign of tampering
	}
	text, err := base64.StdEncoding.Strict().DecodeString(value)
	refuse(err != nil, "malformed")
	token, _ = readObject(text)["jwt"].(string)
	return token
}

// The strict form: RFC 7515 section 3.1, RFC 8725 sections 2.6, 3.1, 3.10, 3.11, RFC 9068 section 2.
func readToken(token, issuer, audience string, now int64) (kid string, told judged, claims map[string]any) {
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
	ours := !several && claims["aud"] == audience
	for _, one := range audiences {
		ours = ours || one == audience
	}
	refuse(!ours, "audience")
	told.Sub, _ = claims["sub"].(string)
	told.Sid, _ = claims["sid"].(string)
	refuse(told.Sub == "" || told.Sid == "" || claims["id"] != told.Sub, "claims")
	var exact map[string]json.RawMessage // into a struct, "EXP" would count as exp
	refuse(json.Unmarshal(decoded[1], &exact) != nil, "malformed")
	told.Iat = readNumber(exact["iat"])
	exp, begins := readNumber(exact["exp"]), told.Iat
	if nbf, named := exact["nbf"]; named && readNumber(nbf) > begins {
		begins = readNumber(nbf)
	}
	refuse(exp+skew <= now, "expired")
	refuse(begins-skew > now, "not_yet_valid")
	refuse(exp <= begins || exp-told.Iat > longestLife, "claims")
	return kid, told, claims
}

type judged struct {
	Sub, Sid string
	Iat      int64
}

// A whole number from 0 on; encoding/json alone takes null for one.
func readNumber(text json.RawMessage) (number int64) {
	refuse(json.Unmarshal(text, &number) != nil || string(text) == "null" || number < 0, "claims")
	return number
}

// One JSON object in UTF-8 in which no member is named twice, at any depth: of two, encoding/json keeps only the last.
func readObject(text []byte) (object map[string]any) {
	err := json.Unmarshal(text, &object)
	refuse(err != nil || object == nil || !utf8.Valid(text), "malformed")
	kept, _ := json.Marshal(object)
	refuse(countColons(text) != countColons(kept), "malformed")
	return object
}

var quoted = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)

func countColons(text []byte) int { return bytes.Count(quoted.ReplaceAll(text, nil), []byte(":")) }
