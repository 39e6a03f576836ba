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
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v4"
)

const (
	skew, slack           = 30, 900                           // s by which two clocks may differ, and one may jump
	longestLife, maxToken = 3600, 8192                        // s that a token may live, and its characters
	patience, silence     = 5 * time.Second, 12 * time.Second // for an answer; between words of the feed
	keysAge, keysPause    = 5 * time.Minute, 30 * time.Second // between fetches of keys; for the sake of unknown ones
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

// Gatehouse follows one Gatehouse for one service. Its methods may be called from any goroutine.
type Gatehouse struct {
	Options
	Close             context.CancelFunc
	open, ready       context.Context // ready is done with the first snapshot, or when patience is at its end
	beReady           context.CancelFunc
	errands, fetching sync.Mutex   // one of each at a time; whoever needs a key waits for the fetch that is under way
	keysDue, missDue  time.Time    // until then none are fetched in the background, or because one is unknown
	keys              atomic.Value // a keySet
	acknowledged      int64
	mu                sync.Mutex            // of all below
	revoked           map[string]revocation // by id
	freshAt           time.Time
	stats             Stats
}

type keySet map[string]*ecdsa.PublicKey

type revocation struct{ notBefore, expires int64 } // refuses tokens issued up to notBefore; held until expires

// Refused says why a token isn't good: one of a few fixed words, fit for a metric's label; it never quotes the token.
type Refused string

func (reason Refused) Error() string { return "token refused: " + string(reason) }

// Inside this file a refusal is a panic, caught in judge; so each rule is one line.
func refuse(when bool, reason Refused) {
	if when {
		panic(reason)
	}
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
	mode := map[string]bool{"introspect": true, "refuse": true, "accept": true}
	if o.Issuer == "" || o.Audience == "" || o.ClientSecret == "" || !mode[o.WhenStale] || o.StaleAfter < 0 {
		return nil, errors.New("gatehouse needs Issuer, Audience and ClientSecret; WhenStale, StaleAfter in bounds")
	}
	g := &Gatehouse{Options: o, acknowledged: -1, revoked: map[string]revocation{}}
	g.stats.Refusals = map[string]int{}
	g.keys.Store(keySet{})
	g.open, g.Close = context.WithCancel(context.Background())
	g.ready, g.beReady = context.WithTimeout(g.open, patience)
	go g.follow()
	return g, nil
}

func either[T comparable](values ...T) (found T) {
	for i := 0; i < len(values) && found == *new(T); i++ {
		found = values[i]
	}
	return found
}

// Stats is a copy.
func (g *Gatehouse) Stats() Stats {
	g.mu.Lock()
	defer g.mu.Unlock()
	stats := g.stats
	stats.FeedAge, stats.RevocationsHeld, stats.Refusals = -1, len(g.revoked), map[string]int{}
	if !g.freshAt.IsZero() {
		stats.FeedAge = time.Since(g.freshAt).Seconds()
	}
	for reason, count := range g.stats.Refusals {
		stats.Refusals[reason] = count
	}
	return stats
}

func (g *Gatehouse) locked(do func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	do()
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
		claims, err := g.judge(func() string { return readCredentials(r, g.Cookie) })
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
	return g.judge(func() string { return token })
}

func (g *Gatehouse) judge(read func() string) (claims map[string]any, err error) {
	defer func() {
		if failure := recover(); failure != nil {
			reason := failure.(Refused) // anything else is a bug, and panics anew
			g.locked(func() { g.stats.Refusals[string(reason)]++ })
			err = reason
		}
	}()
	return g.check(read()), nil
}

var parser = jwt.NewParser(jwt.WithValidMethods([]string{"ES256"}), jwt.WithoutClaimsValidation())

func (g *Gatehouse) check(token string) map[string]any {
	kid, claims := readToken(token, g.Issuer, g.Audience, g.Now().Unix())
	<-g.ready.Done()
	key := g.keys.Load().(keySet)[kid]
	if key == nil {
		g.fetchKeys(kid, false)
		key = g.keys.Load().(keySet)[kid]
	}
	refuse(key == nil, "unknown_key")
	_, err := parser.Parse(token, func(*jwt.Token) (any, error) { return key, nil })
	refuse(err != nil, "signature")
	var stale bool
	g.locked(func() {
		for who, id := range map[string]any{"key": kid, "session": claims["sid"], "user": claims["sub"]} {
			refuse(wholeNumber(claims["iat"]) <= g.revoked[id.(string)].notBefore, Refused(who+"_revoked"))
		}
		stale = time.Since(g.freshAt) > g.StaleAfter && g.WhenStale != "accept"
		refuse(stale && g.WhenStale == "refuse", "stale")
	})
	if stale {
		g.locked(func() { g.stats.Introspections++ })
		var answer struct{ Active bool } // for this request alone
		form := url.Values{"token": {token}}.Encode()
		err := g.ask("/connect/introspect", "application/x-www-form-urlencoded", form, into(&answer))
		refuse(err != nil, "introspection_failed")
		refuse(!answer.Active, "inactive")
	}
	return claims
}

// Takes all that are published, so that the next one is here before its first use: now, or if it is time to.
func (g *Gatehouse) fetchKeys(missing string, now bool) {
	g.fetching.Lock()
	defer g.fetching.Unlock()
	due, pause := &g.keysDue, keysAge
	if missing != "" {
		due, pause = &g.missDue, keysPause
	}
	if !now && (time.Now().Before(*due) || g.keys.Load().(keySet)[missing] != nil) {
		return
	}
	*due = time.Now().Add(pause)
	var published struct {
		Keys []struct{ Kid, Crv, X, Y string }
	}
	if g.ask("/.well-known/jwks.json", "", "", into(&published)) != nil {
		g.keysDue = time.Time{} // again at the next heartbeat
		return
	}
	keys := keySet{}
	for _, k := range published.Keys {
		x, _ := base64.RawURLEncoding.DecodeString(k.X)
		y, _ := base64.RawURLEncoding.DecodeString(k.Y)
		X, Y := elliptic.Unmarshal(elliptic.P256(), append(append([]byte{4}, x...), y...))
		if k.Crv == "P-256" && X != nil { // else it is no point of the curve
			keys[k.Kid] = &ecdsa.PublicKey{Curve: elliptic.P256(), X: X, Y: Y}
		}
	}
	g.keys.Store(keys)
}

// A post makes it a POST. The timer ends it all, also the reading of the answer, unless read sets it anew.
func (g *Gatehouse) ask(path, contentType, post string, read func(io.Reader, *time.Timer) error) (err error) {
	defer g.locked(func() {
		if err != nil {
			g.stats.LastError = err.Error()
		}
	})
	ctx, cancel := context.WithCancel(g.open)
	defer cancel()
	timer := time.AfterFunc(patience, cancel)
	method := map[bool]string{true: http.MethodGet, false: http.MethodPost}[post == ""]
	r, err := http.NewRequestWithContext(ctx, method, g.URL+path, strings.NewReader(post))
	if err != nil {
		return err
	}
	r.SetBasicAuth(url.QueryEscape(g.ClientID), url.QueryEscape(g.ClientSecret)) // RFC 6749 section 2.3.1
	r.Header.Set("Content-Type", contentType)
	response, err := http.DefaultTransport.RoundTrip(r) // a client would follow redirects, credentials and all
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode >= 300 {
		return fmt.Errorf("%s answered %d", path, response.StatusCode)
	}
	return read(response.Body, timer)
}

func into(answer any) func(io.Reader, *time.Timer) error {
	return func(body io.Reader, _ *time.Timer) error { return json.NewDecoder(body).Decode(answer) }
}

// The feed: a snapshot of all revocations in force, then each new one, and a heartbeat every 5 s.
func (g *Gatehouse) follow() {
	for pause := 0.1; g.open.Err() == nil; pause = math.Min(2, 2*pause) {
		path := "/events?instance=" + g.Instance
		if s := g.Stats(); s.FeedAge >= 0 {
			path += fmt.Sprint("&cursor=", s.Cursor)
		}
		g.ask(path, "", "", g.listen)
		if g.Stats().Connected {
			pause = 0.1
		}
		g.locked(func() { g.stats.Connected = false })
		time.Sleep(time.Duration((0.5 + rand.Float64()/2) * pause * float64(time.Second)))
	}
}

func (g *Gatehouse) listen(feed io.Reader, silent *time.Timer) error {
	var line []byte
	for rest := bufio.NewReader(feed); ; {
		silent.Reset(silence)
		part, goesOn, err := rest.ReadLine() // in parts: a snapshot is one line, and may take longer
		if err != nil {
			return err
		}
		line = append(line, part...)
		if !goesOn && bytes.HasPrefix(line, []byte("data:")) {
			var message entry
			if err := json.Unmarshal(line[5:], &message); err != nil {
				return err
			}
			g.locked(func() { g.receive(message) })
			go g.runErrands(message.Kid != "" || message.Events != nil)
		}
		if !goesOn {
			line = nil
		}
	}
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
		if e.Kid+e.Sid != "" {
			until = math.MaxInt64
		}
		if id != "" && (e.Kid == "" || e.Reason == "revoked") && until >= g.revoked[id].notBefore {
			g.revoked[id] = revocation{until, e.Expires}
		}
	}
	g.stats.Cursor, g.stats.Connected = message.Cursor, true
	if message.Type != "" {
		return
	}
	g.freshAt = time.Now() // a snapshot or a heartbeat: nothing is missing up to here
	for id, held := range g.revoked {
		if held.expires+slack < g.Now().Unix() {
			delete(g.revoked, id)
		}
	}
}

// Fetches keys and acknowledges, in nobody's way and one at a time; what fails is tried again at the next heartbeat.
func (g *Gatehouse) runErrands(newKeys bool) {
	g.errands.Lock()
	defer g.errands.Unlock()
	g.fetchKeys("", newKeys)
	g.beReady()
	cursor := g.Stats().Cursor // the newest, whatever it was when this began to wait
	body := fmt.Sprintf(`{"cursor":%d,"instance":%q}`, cursor, g.Instance)
	ignore := func(io.Reader, *time.Timer) error { return nil }
	if cursor != g.acknowledged && g.ask("/events/ack", "application/json", body, ignore) == nil {
		g.acknowledged = cursor
	}
}

// The bearer token, which decides alone (RFC 6750 section 2.1), else the cookie's: base64 of {"jwt":"…"}.
func readCredentials(r *http.Request, name string) (token string) {
	authorization := strings.Join(r.Header["Authorization"], ",")
	if strings.Contains(strings.ToLower(authorization), "bearer") {
		scheme, token, _ := strings.Cut(authorization, " ")
		refuse(!strings.EqualFold(scheme, "bearer"), "malformed")
		return token
	}
	value := ""
	for _, cookie := range r.Cookies() {
		if cookie.Name == name {
			refuse(value != "" && value != cookie.Value, "malformed") // two that differ: a sign of tampering
			value = cookie.Value
		}
	}
	refuse(value == "", "missing")
	token, _ = readObject(decode(base64.StdEncoding, value))["jwt"].(string)
	return token
}

// The strict form: RFC 7515 section 3.1, RFC 8725 sections 2.6, 3.1, 3.10, 3.11, RFC 9068 section 2.
func readToken(token, issuer, audience string, now int64) (kid string, claims map[string]any) {
	parts := strings.Split(token, ".")
	refuse(len(parts) != 3 || len(token) > maxToken, "malformed")
	coding := base64.RawURLEncoding
	header, claims := readObject(decode(coding, parts[0])), readObject(decode(coding, parts[1]))
	decode(coding, parts[2])
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
	sub, _ := claims["sub"].(string)
	_, named = claims["sid"].(string)
	refuse(sub == "" || claims["id"] != sub || !named, "claims")
	iat, exp := wholeNumber(claims["iat"]), wholeNumber(claims["exp"])
	begins := iat
	if nbf, named := claims["nbf"]; named && wholeNumber(nbf) > iat {
		begins = wholeNumber(nbf)
	}
	refuse(exp+skew <= now, "expired")
	refuse(begins-skew > now, "not_yet_valid")
	refuse(exp <= begins || exp-iat > longestLife, "claims")
	return kid, claims
}

// One text, one spelling.
func decode(base64 *base64.Encoding, text string) []byte {
	decoded, err := base64.Strict().DecodeString(text)
	refuse(err != nil || strings.ContainsAny(text, "\r\n"), "malformed")
	return decoded
}

// From 0 on.
func wholeNumber(claim any) int64 {
	text, _ := claim.(json.Number)
	number, err := text.Int64()
	refuse(err != nil || number < 0, "claims")
	return number
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
