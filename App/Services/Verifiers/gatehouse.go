// Package gatehouse checks Gatehouse's access tokens in this process and learns of sign-outs within milliseconds.
// One file, yours to keep and to change. It needs Go 1.19 and golang-jwt 4 or 5.
//
//	gate, err := gatehouse.New(gatehouse.Options{Issuer: "https://id.example.com", Audience: "orders"}) // GATEHOUSE_CLIENT_SECRET is in the environment
//	http.Handle("/orders", gate.Middleware(orders))                                                     // there: gatehouse.ClaimsOf(r.Context())["email"]
//
// Public keys come from /.well-known/jwks.json. One connection to /events (server-sent events) brings every revocation in force,
// then each new one, and a heartbeat every 5 s. No token is accepted before that first snapshot.
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
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v4"
)

const (
	skew        = 30               // s by which two clocks may differ
	longestLife = 3600             // s that a token of ours may live
	maxToken    = 8192             // characters
	maxDepth    = 8                // levels of JSON in a token
	startWithin = 5 * time.Second  // that the first tokens wait for the snapshot; past that the feed counts as stale
	silence     = 12 * time.Second // without data after which the feed's connection is opened anew
	answerIn    = 5 * time.Second  // for any other request to Gatehouse
	keysAge     = 5 * time.Minute  // after which the keys are fetched again in the background
	keysPause   = 30 * time.Second // between two fetches that unknown key ids in tokens may cause
)

// Refused says why a token isn't good: one of a few fixed words, fit for a metric's label; it never quotes the token.
type Refused string

func (reason Refused) Error() string { return "token refused: " + string(reason) }

// Options of a service. Issuer and Audience have no default.
type Options struct {
	Issuer       string           // Gatehouse's public address: the iss of its tokens, exactly
	Audience     string           // the aud that tokens for this service bear
	URL          string           // where Gatehouse is reached from here; by default the issuer
	ClientID     string           // this service's id; by default GATEHOUSE_CLIENT_ID or else the audience
	ClientSecret string           // its secret; by default GATEHOUSE_CLIENT_SECRET
	WhenStale    string           // "introspect" (RFC 7662; the default), "refuse" or "accept" while the feed is older than StaleAfter
	StaleAfter   time.Duration    // 15 s by default; below 6 s the five-second heartbeat itself looks late
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

type held struct{ notBefore, expires int64 }

type entry struct {
	Cursor, NotBefore           int64
	Expires                     *int64
	Type, Sub, Sid, Kid, Reason string
	Events                      []entry
}

// Gatehouse follows one Gatehouse for one service. Its methods may be called from any goroutine.
type Gatehouse struct {
	Options
	client          *http.Client
	ctx             context.Context
	Close           context.CancelFunc
	wake            chan struct{} // there is something to acknowledge or to fetch
	ready           chan struct{} // closed at the first snapshot
	fetching        sync.Mutex    // whoever comes while one fetch of keys is under way shares it
	missAt          time.Time     // under fetching
	mu              sync.RWMutex  // of all below
	keys            map[string]*ecdsa.PublicKey
	keysAt, freshAt time.Time
	keysWanted      bool
	revoked         map[string]held // an entry refuses tokens issued at or before notBefore, until the last of them has expired
	stats           Stats
}

// New starts to follow the feed; Close ends that.
func New(o Options) (*Gatehouse, error) {
	host, _ := os.Hostname()
	for _, d := range []struct {
		value     *string
		otherwise string
	}{
		{&o.URL, o.Issuer}, {&o.ClientID, os.Getenv("GATEHOUSE_CLIENT_ID")}, {&o.ClientID, o.Audience}, {&o.ClientSecret, os.Getenv("GATEHOUSE_CLIENT_SECRET")},
		{&o.WhenStale, "introspect"}, {&o.Cookie, "session"}, {&o.Instance, fmt.Sprintf("%s-%d", host, os.Getpid())},
	} {
		if *d.value == "" {
			*d.value = d.otherwise
		}
	}
	if o.StaleAfter == 0 {
		o.StaleAfter = 15 * time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Issuer == "" || o.Audience == "" || o.ClientSecret == "" {
		return nil, errors.New("gatehouse needs Issuer, Audience and ClientSecret")
	}
	if o.WhenStale != "introspect" && o.WhenStale != "refuse" && o.WhenStale != "accept" || o.StaleAfter < 0 {
		return nil, errors.New("gatehouse: WhenStale or StaleAfter is out of bounds")
	}
	o.Instance = regexp.MustCompile(`[^A-Za-z0-9_.-]`).ReplaceAllString(o.Instance, "-")
	if len(o.Instance) > 64 {
		o.Instance = o.Instance[len(o.Instance)-64:]
	}
	g := &Gatehouse{Options: o, client: &http.Client{}, wake: make(chan struct{}, 1), ready: make(chan struct{}), keysWanted: true, revoked: map[string]held{}}
	g.stats.Refusals = map[string]int{}
	g.ctx, g.Close = context.WithCancel(context.Background())
	go g.follow()
	go g.runErrands()
	return g, nil
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
		token, err := readCredentials(r.Header, g.Cookie)
		claims, err := g.count(token, err)
		if err == nil {
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), claimsKey{}, claims)))
			return
		}
		var reason Refused
		errors.As(err, &reason)
		w.Header().Set("Content-Type", "application/problem+json")
		w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer error="invalid_token", error_description="%s"`, string(reason)))
		w.WriteHeader(http.StatusUnauthorized)
		io.WriteString(w, `{"title":"Not authorized","status":401,"errors":[{"message":"Not authorized"}]}`)
	})
}

// Verify returns the token's claims (numbers as json.Number), or a Refused.
func (g *Gatehouse) Verify(token string) (map[string]any, error) { return g.count(token, nil) }

func (g *Gatehouse) count(token string, err error) (claims map[string]any, _ error) {
	if err == nil {
		claims, err = g.check(token)
	}
	var reason Refused
	if errors.As(err, &reason) {
		g.locked(func() { g.stats.Refusals[string(reason)]++ })
	}
	return claims, err
}

func (g *Gatehouse) check(token string) (map[string]any, error) {
	kid, claims, err := readToken(token, g.Issuer, g.Audience, g.Now().Unix())
	if err != nil {
		return nil, err
	}
	select {
	case <-g.ready:
	case <-time.After(startWithin):
	}
	key := g.findKey(kid)
	if key == nil {
		return nil, Refused("unknown_key")
	}
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"ES256"}), jwt.WithoutClaimsValidation())
	if _, err := parser.Parse(token, func(*jwt.Token) (any, error) { return key, nil }); err != nil {
		return nil, Refused("signature")
	}
	issued, _ := seconds(claims, "iat")
	g.mu.RLock()
	stale := g.freshAt.IsZero() || time.Since(g.freshAt) > g.StaleAfter
	for _, of := range [][2]string{{"key", "kid " + kid}, {"session", "sid " + claims["sid"].(string)}, {"user", "sub " + claims["sub"].(string)}} {
		if r, found := g.revoked[of[1]]; found && issued <= r.notBefore {
			g.mu.RUnlock()
			return nil, Refused(of[0] + "_revoked")
		}
	}
	g.mu.RUnlock()
	if !stale || g.WhenStale == "accept" {
		return claims, nil
	}
	if g.WhenStale == "refuse" {
		return nil, Refused("stale")
	}
	g.locked(func() { g.stats.Introspections++ }) // the answer is for this request alone
	var answer struct{ Active bool }
	if g.ask("/connect/introspect", "application/x-www-form-urlencoded", url.Values{"token": {token}}.Encode(), &answer) != nil {
		return nil, Refused("introspection_failed")
	}
	if !answer.Active {
		return nil, Refused("inactive")
	}
	return claims, nil
}

func (g *Gatehouse) locked(change func()) { g.mu.Lock(); defer g.mu.Unlock(); change() }
func (g *Gatehouse) note(err error) {
	if err != nil {
		g.locked(func() { g.stats.LastError = err.Error() })
	}
}

func (g *Gatehouse) findKey(kid string) *ecdsa.PublicKey {
	known := func() *ecdsa.PublicKey { g.mu.RLock(); defer g.mu.RUnlock(); return g.keys[kid] }
	if key := known(); key != nil {
		return key
	}
	g.fetching.Lock()
	defer g.fetching.Unlock()
	if known() == nil && time.Since(g.missAt) > keysPause {
		g.missAt = time.Now()
		g.fetchKeys()
	}
	return known()
}

// All keys that are published are taken, so that the next one is here before its first use. Call it with fetching held.
func (g *Gatehouse) fetchKeys() {
	var set struct {
		Keys []struct{ Kid, Crv, X, Y string }
	}
	err := g.ask("/.well-known/jwks.json", "", "", &set)
	g.note(err)
	if err != nil {
		return
	}
	keys := map[string]*ecdsa.PublicKey{}
	for _, k := range set.Keys {
		x, errX := base64.RawURLEncoding.DecodeString(k.X)
		y, errY := base64.RawURLEncoding.DecodeString(k.Y)
		key := &ecdsa.PublicKey{Curve: elliptic.P256(), X: new(big.Int).SetBytes(x), Y: new(big.Int).SetBytes(y)}
		if errX == nil && errY == nil && k.Crv == "P-256" && key.IsOnCurve(key.X, key.Y) {
			keys[k.Kid] = key
		}
	}
	g.locked(func() { g.keys, g.keysAt = keys, time.Now() })
}

func (g *Gatehouse) request(ctx context.Context, path, contentType, body string) (*http.Request, error) {
	method := http.MethodGet
	if contentType != "" {
		method = http.MethodPost
	}
	r, err := http.NewRequestWithContext(ctx, method, g.URL+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	r.SetBasicAuth(url.QueryEscape(g.ClientID), url.QueryEscape(g.ClientSecret)) // RFC 6749 section 2.3.1
	return r, nil
}

func (g *Gatehouse) ask(path, contentType, body string, answer any) error {
	ctx, cancel := context.WithTimeout(g.ctx, answerIn)
	defer cancel()
	r, err := g.request(ctx, path, contentType, body)
	if err != nil {
		return err
	}
	response, err := g.client.Do(r)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode >= 300 {
		return fmt.Errorf("%s answered %d", path, response.StatusCode)
	}
	if answer == nil {
		return nil
	}
	return json.NewDecoder(response.Body).Decode(answer)
}

func (g *Gatehouse) follow() {
	for failures := 0; g.ctx.Err() == nil; failures++ {
		g.note(g.listen(&failures))
		g.locked(func() { g.stats.Connected = false })
		pause := math.Min(2, 0.1*math.Pow(2, float64(failures))) * (0.5 + rand.Float64()/2)
		select {
		case <-g.ctx.Done():
		case <-time.After(time.Duration(pause * float64(time.Second))):
		}
	}
}

func (g *Gatehouse) listen(failures *int) error {
	ctx, cancel := context.WithCancel(g.ctx)
	defer cancel()
	r, err := g.request(ctx, "/events?instance="+g.Instance, "", "")
	if err != nil {
		return err
	}
	r.Header.Set("Accept", "text/event-stream")
	select {
	case <-g.ready:
		r.Header.Set("Last-Event-ID", strconv.FormatInt(g.Stats().Cursor, 10))
	default:
	}
	silent := time.AfterFunc(silence, cancel)
	defer silent.Stop()
	response, err := g.client.Do(r)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("/events answered %d", response.StatusCode)
	}
	for lines := bufio.NewReader(response.Body); ; silent.Reset(silence) {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return err
		}
		if !bytes.HasPrefix(line, []byte("data:")) {
			continue
		}
		var message entry
		if err := json.Unmarshal(line[5:], &message); err != nil {
			return err
		}
		g.receive(message)
		*failures = 0
	}
}

func (g *Gatehouse) receive(message entry) {
	g.locked(func() {
		if message.Type != "" {
			g.apply(message)
		} else { // a snapshot or a heartbeat: nothing is missing up to here, and what is held is never forgiven
			for _, e := range message.Events {
				g.apply(e)
			}
			g.freshAt = time.Now()
			for id, r := range g.revoked {
				if r.expires < g.Now().Unix()-skew {
					delete(g.revoked, id)
				}
			}
			g.keysWanted = g.keysWanted || time.Since(g.keysAt) > keysAge
		}
		g.stats.Cursor, g.stats.Connected = message.Cursor, true
	})
	select {
	case <-g.ready:
	default:
		close(g.ready)
	}
	select {
	case g.wake <- struct{}{}:
	default:
	}
}

func (g *Gatehouse) apply(e entry) {
	hold := func(id string, notBefore int64) {
		expires := int64(math.MaxInt64)
		if e.Expires != nil {
			expires = *e.Expires
		}
		if before, found := g.revoked[id]; !found || notBefore >= before.notBefore {
			g.revoked[id] = held{notBefore, expires}
		}
	}
	switch {
	case e.Type == "signing-key-changed":
		g.keysWanted = true
		if e.Reason == "revoked" {
			hold("kid "+e.Kid, math.MaxInt64)
		}
	case e.Sid != "":
		hold("sid "+e.Sid, math.MaxInt64)
	case e.Sub != "":
		hold("sub "+e.Sub, e.NotBefore)
	}
}

// runErrands acknowledges the newest cursor and fetches keys, in nobody's way; what fails is tried again at the next heartbeat.
func (g *Gatehouse) runErrands() {
	for acked := int64(-1); ; {
		if reached := g.Stats().Cursor; !g.Stats().zero() && reached != acked {
			body, _ := json.Marshal(map[string]any{"cursor": reached, "instance": g.Instance})
			err := g.ask("/events/ack", "application/json", string(body), nil)
			if g.note(err); err == nil {
				acked = reached
			}
		}
		wanted := false
		g.locked(func() { wanted, g.keysWanted = g.keysWanted, false })
		if wanted {
			g.fetching.Lock()
			g.fetchKeys()
			g.fetching.Unlock()
		}
		select {
		case <-g.ctx.Done():
			return
		case <-g.wake:
		}
	}
}

func (s Stats) zero() bool { return s.FeedAge < 0 }

// A bearer token decides alone where there is one (RFC 6750 section 2.1), else the cookie: base64 of {"jwt":"…"}.
func readCredentials(h http.Header, name string) (string, error) {
	if authorization := strings.Join(h.Values("Authorization"), ","); strings.Contains(strings.ToLower(authorization), "bearer") {
		if len(authorization) < 7 || !strings.EqualFold(authorization[:7], "bearer ") {
			return "", Refused("malformed")
		}
		return authorization[7:], nil
	}
	value, found := "", false
	for _, pair := range regexp.MustCompile("[;,]").Split(strings.Join(h.Values("Cookie"), ";"), -1) {
		given, other, _ := strings.Cut(strings.TrimSpace(pair), "=")
		if given != name {
			continue
		}
		if found && other != value {
			return "", Refused("malformed")
		} // two different values are a sign of tampering
		value, found = other, true
	}
	if !found {
		return "", Refused("missing")
	}
	utf8, err := base64.StdEncoding.Strict().DecodeString(value)
	if err != nil {
		return "", Refused("malformed")
	}
	session, err := readObject(utf8)
	token, _ := session["jwt"].(string)
	return token, err
}

var form = regexp.MustCompile(`\A[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+){2}\z`)

// The strict form: RFC 7515 section 3.1, RFC 8725 sections 2.6, 3.1, 3.10, 3.11, RFC 9068 section 2. No key is involved yet.
func readToken(token, issuer, audience string, now int64) (string, map[string]any, error) {
	if len(token) > maxToken || !form.MatchString(token) {
		return "", nil, Refused("malformed")
	}
	var parts [3][]byte
	for i, part := range strings.Split(token, ".") {
		var err error // strict: one token has one spelling
		if parts[i], err = base64.RawURLEncoding.Strict().DecodeString(part); err != nil {
			return "", nil, Refused("malformed")
		}
	}
	header, err := readObject(parts[0])
	if err != nil {
		return "", nil, err
	}
	claims, err := readObject(parts[1])
	if err != nil {
		return "", nil, err
	}
	kid, named := header["kid"].(string)
	for _, member := range []string{"crit", "b64", "zip"} {
		if _, there := header[member]; there {
			named = false
		}
	}
	if header["alg"] != "ES256" || header["typ"] != "at+jwt" || !named {
		return "", nil, Refused("header")
	}
	if len(parts[2]) != 64 {
		return "", nil, Refused("signature")
	} // R and S of P-256, RFC 7518 section 3.4
	ours := claims["aud"] == any(audience)
	if list, is := claims["aud"].([]any); is {
		for _, one := range list {
			ours = ours || one == any(audience)
		}
	}
	sub, _ := claims["sub"].(string)
	_, session := claims["sid"].(string)
	issued, iat := seconds(claims, "iat")
	expires, exp := seconds(claims, "exp")
	from, nbf := seconds(claims, "nbf")
	if _, there := claims["nbf"]; !there {
		from, nbf = issued, true
	}
	if from < issued {
		from = issued
	}
	switch {
	case claims["iss"] != any(issuer):
		err = Refused("issuer")
	case !ours:
		err = Refused("audience")
	case sub == "" || claims["id"] != any(sub) || !session || !iat || !exp || !nbf:
		err = Refused("claims")
	case expires+skew <= now:
		err = Refused("expired")
	case from-skew > now:
		err = Refused("not_yet_valid")
	case expires <= from || expires-issued > longestLife:
		err = Refused("claims")
	}
	return kid, claims, err
}

func seconds(claims map[string]any, name string) (int64, bool) {
	number, _ := claims[name].(json.Number)
	value, err := strconv.ParseInt(string(number), 10, 64)
	return value, err == nil && value >= 0
}

// One JSON object in UTF-8 in which no member is named twice, at any depth; json.Unmarshal alone keeps the last of the two.
func readObject(text []byte) (map[string]any, error) {
	if !utf8.Valid(text) || !json.Valid(text) {
		return nil, Refused("malformed")
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	value, err := readValue(decoder, maxDepth)
	object, is := value.(map[string]any)
	if err != nil || !is {
		return nil, Refused("malformed")
	}
	return object, nil
}

func readValue(decoder *json.Decoder, depth int) (any, error) {
	token, err := decoder.Token()
	if err != nil || depth < 0 {
		return nil, Refused("malformed")
	}
	object, list := map[string]any{}, []any{}
	for open := token; (open == json.Delim('{') || open == json.Delim('[')) && decoder.More(); {
		name := ""
		if open == json.Delim('{') {
			member, err := decoder.Token()
			if err != nil {
				return nil, err
			}
			name = member.(string)
			if _, twice := object[name]; twice {
				return nil, Refused("malformed")
			}
		}
		value, err := readValue(decoder, depth-1)
		if err != nil {
			return nil, err
		}
		object[name], list = value, append(list, value)
	}
	switch token {
	case json.Delim('{'):
		_, err = decoder.Token()
		return object, err
	case json.Delim('['):
		_, err = decoder.Token()
		return list, err
	}
	return token, nil
}
