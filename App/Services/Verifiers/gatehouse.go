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
	"fmt"
	"io"
	"math"
	"math/big"
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

const skew, slack, maxLife, maxToken = 30, 900, 3600, 8192   // s: clocks differ, one jumps, a token lives; its length
const patience, silence = 5 * time.Second, 12 * time.Second  // for an answer; between words of the feed
const keysAge, keysPause = 5 * time.Minute, 30 * time.Second // between fetches of keys; of those nobody knows

// Options of a service. Issuer and Audience have no default.
type Options struct {
	Issuer       string           // Gatehouse's public address: the iss of its tokens, exactly
	Audience     string           // the aud that tokens for this service bear
	URL          string           // where Gatehouse is reached from here; by default the issuer
	ClientID     string           // this service's id; by default GATEHOUSE_CLIENT_ID or else the audience
	ClientSecret string           // by default GATEHOUSE_CLIENT_SECRET
	WhenStale    string           // past StaleAfter: "introspect" (RFC 7662; the default), "refuse" or "accept"
	StaleAfter   time.Duration    // since the feed's last word; 15 s by default; below 6 s the heartbeat looks late
	Instance     string           // this process among its replicas; by default its id and the host's name
	Cookie       string           // name of the session cookie; by default "session"
	Now          func() time.Time // the clock that tokens are judged by
}

// Stats is what there is to see of a verifier; FeedAge is in seconds, centuries of them before the first snapshot.
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
	open, ready          context.Context // ready is done with keys and a heartbeat, or when patience is at its end
	end, beReady         context.CancelFunc
	feed                 *http.Request    // the next one
	keys, freshAt, due   atomic.Value     // a map[string]*ecdsa.PublicKey by id, a time.Time, if an ack waits
	fetching, acking, mu sync.Mutex       // who needs a key waits for the fetch under way; mu is of revoked and stats
	keysDue, missDue     time.Time        // until then none are fetched in the background, or because one is unknown
	acked, failures      int64            // one past the newest cursor that is acknowledged; of the feed, in a row
	revoked              map[string]entry // by id
	stats                Stats
}

type claimsKey struct{}

// Refused says why a token isn't good: one of a few fixed words, fit for a metric's label; it never quotes the token.
type Refused string

func (reason Refused) Error() string { return "token refused: " + string(reason) }

// Inside this file a refusal is a panic, caught in Authenticate; so each rule is one line.
func refuse(when bool, reason Refused) {
	if when {
		panic(reason)
	}
}

// New starts to follow the feed.
func New(o Options) (*Gatehouse, error) {
	host, _ := os.Hostname()
	name := regexp.MustCompile(`[^\w.-]`).ReplaceAllString(fmt.Sprintf("%d-%.50s", os.Getpid(), host), "-")
	o.URL, o.ClientID = either(o.URL, o.Issuer), either(o.ClientID, os.Getenv("GATEHOUSE_CLIENT_ID"), o.Audience)
	o.ClientSecret, o.Instance = either(o.ClientSecret, os.Getenv("GATEHOUSE_CLIENT_SECRET")), either(o.Instance, name)
	if o.Now == nil {
		o.Now = time.Now
	}
	feed, err := http.NewRequest("GET", o.URL+"/events?instance="+url.QueryEscape(o.Instance), nil)
	known := map[string]bool{"": true, "introspect": true, "refuse": true, "accept": true}[o.WhenStale]
	if err != nil || o.Issuer == "" || o.Audience == "" || o.ClientSecret == "" || !known || o.StaleAfter < 0 {
		return nil, fmt.Errorf("it needs Issuer, Audience, GATEHOUSE_CLIENT_SECRET; URL, WhenStale, StaleAfter good")
	}
	feed.SetBasicAuth(url.QueryEscape(o.ClientID), url.QueryEscape(o.ClientSecret)) // RFC 6749 section 2.3.1
	g := &Gatehouse{Options: o, feed: feed, revoked: map[string]entry{}, stats: Stats{Refusals: map[string]int{}}}
	g.open, g.end = context.WithCancel(context.Background())
	g.ready, g.beReady = context.WithTimeout(g.open, patience)
	go g.follow()
	return g, nil
}

// Close ends the following and says goodbye, so that no sign-out waits for this instance any more. Call it on SIGTERM,
// after http.Server.Shutdown.
func (g *Gatehouse) Close() { g.end(); g.acknowledge(true) }

func (g *Gatehouse) isStale() bool {
	return g.open.Err() != nil || g.feedAge() > either(g.StaleAfter, 15*time.Second)
}

// Stats is a copy.
func (g *Gatehouse) Stats() (s Stats) {
	g.locked(func() {
		s = g.stats
		s.FeedAge, s.RevocationsHeld, s.Refusals = g.feedAge().Seconds(), len(g.revoked), map[string]int{}
		for reason, count := range g.stats.Refusals {
			s.Refusals[reason] = count
		}
	})
	return s
}

func (g *Gatehouse) feedAge() time.Duration { return time.Since(as[time.Time](g.freshAt.Load())) }
func (g *Gatehouse) locked(do func())       { g.mu.Lock(); defer g.mu.Unlock(); do() }

// Middleware hands on the good requests and answers the others 401 (RFC 6750 section 3) as problem+json.
func (g *Gatehouse) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if claims, err := g.Authenticate(r); err == nil {
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), claimsKey{}, claims)))
		} else {
			challenge := `Bearer error="invalid_token", error_description="` + string(err.(Refused)) + `"`
			w.Header().Set("WWW-Authenticate", challenge)
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusUnauthorized)
			io.WriteString(w, `{"title":"Not authorized","status":401,"errors":[{"message":"Not authorized"}]}`)
		}
	})
}

// ClaimsOf returns the claims that Middleware has found, nil outside it.
func ClaimsOf(ctx context.Context) map[string]any { return as[map[string]any](ctx.Value(claimsKey{})) }

// Verify returns the token's claims, or a Refused.
func (g *Gatehouse) Verify(token string) (map[string]any, error) {
	return g.Authenticate(&http.Request{Header: http.Header{"Authorization": {"Bearer " + token}}})
}

// Three segments, of which the last is spelled in the one way that 64 bytes have.
var tokenForm = regexp.MustCompile(`^([\w-]+)\.([\w-]+)\.[\w-]{85}[AQgw]$`)

// Authenticate returns the claims of the request's token, or a Refused.
func (g *Gatehouse) Authenticate(r *http.Request) (claims map[string]any, err error) {
	defer func() {
		if failure := recover(); failure != nil {
			claims, err = nil, failure.(Refused) // anything else is a bug, and panics anew
			g.locked(func() { g.stats.Refusals[string(failure.(Refused))]++ })
		}
	}()
	// The strict form: RFC 7515 section 3.1, RFC 8725 sections 2.6, 3.1, 3.10, 3.11, RFC 9068 section 2. What isn't
	// there or is of another type reads as "" or 0, and no rule lets that pass.
	jws := tokenForm.FindStringSubmatch(readCredentials(r, either(g.Cookie, "session")))
	refuse(jws == nil || len(jws[0]) > maxToken, "malformed")
	header, claims := readObject(base64.RawURLEncoding, jws[1]), readObject(base64.RawURLEncoding, jws[2])
	kid, sub, sid := as[string](header["kid"]), as[string](claims["sub"]), as[string](claims["sid"])
	refuse(header["alg"] != "ES256" || header["typ"] != "at+jwt" || kid == "", "header")
	for name := range header {
		refuse(name == "crit" || name == "b64" || name == "zip", "header") // nothing to process
	}
	refuse(claims["iss"] != g.Issuer, "issuer")
	ours := claims["aud"] == g.Audience
	for _, one := range as[[]any](claims["aud"]) {
		ours = ours || one == g.Audience
	}
	refuse(!ours, "audience")
	now, iat, exp := float64(g.Now().Unix()), as[float64](claims["iat"]), as[float64](claims["exp"])
	nbf, named := claims["nbf"]
	begins := math.Max(iat, as[float64](nbf))
	refuse(sub == "" || sid == "" || claims["id"] != sub || named && as[float64](nbf) == 0, "claims")
	refuse(exp+skew <= now, "expired")
	refuse(begins-skew > now, "not_yet_valid")
	refuse(exp <= begins || exp-iat > maxLife || math.Mod(iat, 1)+math.Mod(exp, 1)+math.Mod(begins, 1) > 0, "claims")

	<-g.ready.Done() // the signature needs a key
	if as[map[string]*ecdsa.PublicKey](g.keys.Load())[kid] == nil {
		g.fetchKeys(&g.missDue, false)
	}
	k := as[map[string]*ecdsa.PublicKey](g.keys.Load())[kid]
	refuse(k == nil, "unknown_key")
	_, err = jwt.NewParser(jwt.WithoutClaimsValidation()).Parse(jws[0], func(*jwt.Token) (any, error) { return k, nil })
	refuse(err != nil, "signature")

	// What has been heard of since it was issued; and if nothing could be, what is done then.
	g.locked(func() {
		for who, id := range map[string]string{"key": kid, "session": sid, "user": sub} {
			held, found := g.revoked[id]
			refuse(found && (who != "user" || iat <= held.NotBefore), Refused(who+"_revoked"))
		}
	})
	if g.isStale() && g.WhenStale != "accept" {
		refuse(g.WhenStale == "refuse", "stale")
		g.locked(func() { g.stats.Introspections++ }) // the answer is for this request alone
		told, err := ask[map[string]any](g, "POST", "/connect/introspect", "x-www-form-urlencoded", "token="+jws[0])
		refuse(err != nil, "introspection_failed")
		refuse(told["active"] != true, "inactive")
	}
	return claims, nil
}

// Takes all keys that are published, so that the next one is here before its first use: now, or if it is time to.
func (g *Gatehouse) fetchKeys(due *time.Time, now bool) {
	if due == &g.missDue || now {
		g.fetching.Lock()
	} else if !g.fetching.TryLock() {
		return // one is under way, and nobody waits for this one
	}
	defer g.fetching.Unlock()
	if now || time.Now().After(*due) {
		*due, g.keysDue = time.Now().Add(keysPause), time.Time{} // if it fails, again at the next heartbeat
		keys := map[string]*ecdsa.PublicKey{}
		if it, err := ask[struct{ Keys []map[string]any }](g, "GET", "/.well-known/jwks.json", "json", ""); err == nil {
			for _, k := range it.Keys {
				x, _ := base64.RawURLEncoding.DecodeString(as[string](k["x"]))
				y, _ := base64.RawURLEncoding.DecodeString(as[string](k["y"]))
				key := ecdsa.PublicKey{Curve: elliptic.P256(), X: new(big.Int).SetBytes(x), Y: new(big.Int).SetBytes(y)}
				if k["crv"] == "P-256" && key.IsOnCurve(key.X, key.Y) {
					keys[as[string](k["kid"])] = &key
				}
			}
			g.keys.Store(keys)
			g.keysDue = time.Now().Add(keysAge)
		}
	}
	if !g.isStale() {
		g.beReady()
	}
}

// As RoundTrip follows no redirect, nobody elsewhere is shown our credentials. New has seen that the URL can be parsed.
func ask[T any](g *Gatehouse, method, path, kind, body string) (answer T, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	r, _ := http.NewRequestWithContext(ctx, method, g.URL+path, strings.NewReader(body))
	r.Header = http.Header{"Authorization": g.feed.Header["Authorization"], "Cache-Control": {"no-cache"}}
	r.Header.Set("Content-Type", "application/"+kind)
	response, err := http.DefaultTransport.RoundTrip(r)
	if err == nil && response.StatusCode >= 300 {
		err = fmt.Errorf("%s answered %s", path, response.Status)
	} else if err == nil {
		err = json.NewDecoder(response.Body).Decode(&answer)
	}
	if err != nil && err != io.EOF { // which is an answer without content
		g.locked(func() { g.stats.LastError = err.Error() })
	}
	return answer, err
}

// The feed: a snapshot of all revocations in force, then each new one, and a heartbeat every 5 s.
func (g *Gatehouse) follow() {
	for ; g.open.Err() == nil; g.failures++ {
		ctx, cancel := context.WithCancel(g.open)
		silent := time.AfterFunc(silence, cancel)
		response, err := http.DefaultTransport.RoundTrip(g.feed.Clone(ctx))
		if err == nil && response.StatusCode == http.StatusOK {
			err = g.listen(response, pulse{silent})
		} else if err == nil {
			err = fmt.Errorf("/events answered %s", response.Status)
		}
		cancel()
		g.locked(func() { g.stats.Connected, g.stats.LastError = false, err.Error() })
		// From 50 ms to 1 s, or by the clock's chance up to twice that.
		time.Sleep(time.Duration(math.Min(1, math.Exp2(float64(g.failures))/20) * float64(1e9+time.Now().Nanosecond())))
	}
}

// pulse shows that the feed lives, whatever comes: a snapshot is one line, and may take longer than silence.
type pulse struct{ *time.Timer }

func (p pulse) Write(some []byte) (int, error) { p.Reset(silence); return len(some), nil }

func (g *Gatehouse) listen(response *http.Response, alive io.Writer) (err error) {
	for feed := bufio.NewReader(io.TeeReader(response.Body, alive)); err == nil; {
		line, message := []byte(nil), entry{}
		if line, err = feed.ReadBytes('\n'); err == nil && bytes.HasPrefix(line, []byte("data:")) {
			if err = json.Unmarshal(line[5:], &message); err == nil {
				g.locked(func() { g.apply(message) })
				go g.fetchKeys(&g.keysDue, message.Kid != "" || message.Events != nil)
				if g.due.Swap(true) != true { // else one waits already, and will tell the newest
					go g.acknowledge(false)
				}
			}
		}
	}
	return err
}

// An event, or a snapshot, which has Events, or a heartbeat, which has nothing but the Cursor.
type entry struct {
	Type, Sub, Sid, Kid, Reason string
	NotBefore, Cursor           float64
	Expires                     any // a number, or it is held for good
	Events                      []entry
}

// What is held is never forgiven.
func (g *Gatehouse) apply(message entry) {
	for _, e := range append(message.Events, message) {
		id := either(e.Kid, e.Sid, e.Sub)
		if id != "" && (e.Kid == "" || e.Reason == "revoked") && e.NotBefore >= g.revoked[id].NotBefore {
			g.revoked[id] = e
		}
	}
	g.stats.Cursor, g.stats.Connected, g.failures = int64(message.Cursor), true, 0
	g.feed.URL.RawQuery = fmt.Sprintf("instance=%s&cursor=%d", url.QueryEscape(g.Instance), g.stats.Cursor)
	if message.Type == "" && message.Events == nil { // a heartbeat: nothing is missing up to here
		g.freshAt.Store(time.Now())
		for id, held := range g.revoked {
			if at := as[float64](held.Expires); held.Kid == "" && at > 0 && at+slack < float64(g.Now().Unix()) {
				delete(g.revoked, id) // not of a key, which itself may stay here
			}
		}
	}
}

// Acknowledges what is applied by now, and nothing after the goodbye; what fails is tried again at the next heartbeat.
func (g *Gatehouse) acknowledge(leaving bool) {
	g.acking.Lock()
	defer g.acking.Unlock()
	g.due.Store(false)
	if cursor := g.Stats().Cursor; leaving || cursor+1 != g.acked && g.open.Err() == nil {
		body := fmt.Sprintf(`{"cursor":%d,"instance":%q,"leaving":%t}`, cursor, g.Instance, leaving)
		if _, err := ask[any](g, "POST", "/events/ack", "json", body); err == nil || err == io.EOF {
			g.acked = cursor + 1
		}
	}
}

var bearerForm, said = regexp.MustCompile("(?is)^bearer +(.*)|bearer"), regexp.MustCompile(`"(?:[^"\\]|\\.)*"|\s`)

// The bearer token, which decides alone (RFC 6750 section 2.1), else the cookie's: base64 of {"jwt":"…"}.
func readCredentials(r *http.Request, name string) string {
	if bearer := bearerForm.FindStringSubmatch(strings.Join(r.Header["Authorization"], ",")); bearer != nil {
		return bearer[1]
	}
	cookie, all := "", ";"+strings.Join(r.Header["Cookie"], ";")
	for i := 0; i < 2 && cookie == ""; i++ { // behind a comma only if none stands by itself: browsers keep commas
		for _, pair := range strings.Split(all, ";,"[i:i+1])[1:] {
			if pair = strings.TrimSpace(pair[:strings.IndexAny(pair+";", ";,")]); strings.HasPrefix(pair, name+"=") {
				refuse(cookie != "" && cookie != pair, "malformed") // two that differ: a sign of tampering
				cookie = pair
			}
		}
	}
	refuse(cookie == "", "missing")
	return as[string](readObject(base64.StdEncoding, cookie[len(name)+1:])["jwt"])
}

// One JSON object in UTF-8, no member named twice at any depth, no number as 1e9: encoding/json would forget either.
func readObject(coding *base64.Encoding, text string) (object map[string]any) {
	decoded, _ := coding.DecodeString(text)
	err := json.Unmarshal(decoded, &object)
	refuse(err != nil || object == nil || !utf8.Valid(decoded) || coding.EncodeToString(decoded) != text, "malformed")
	kept, _ := json.Marshal(object)
	refuse(len(said.ReplaceAll(decoded, nil)) != len(said.ReplaceAll(kept, nil)), "malformed") // all but the texts
	return object
}

// as is the value, or if it isn't one of these, their zero value.
func as[T any](value any) (typed T) { typed, _ = value.(T); return typed }

func either[T comparable](values ...T) (found T) {
	for i := 0; i < len(values) && found == *new(T); i++ {
		found = values[i]
	}
	return found
}
