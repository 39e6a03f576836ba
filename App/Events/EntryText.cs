using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Json;

namespace App.Events;

/// <summary>What the feed needs to know of tokens, whose slice stands above and registers it.</summary>
/// <param name="Audience">The audience of tokens that aren't bound to one service.</param>
/// <param name="Lifetime">Life of an access token that this process mints.</param>
/// <param name="LongestLifetime">The longest that any setting allows.</param>
/// <param name="ClockSkew">How far two clocks may differ.</param>
/// <param name="SharedSecret">Migration mode: everybody who can verify can also mint.</param>
internal sealed record TokenFacts(string Audience, TimeSpan Lifetime, TimeSpan LongestLifetime, TimeSpan ClockSkew, bool SharedSecret)
{
    /// <summary>The longest that a token may live which this process takes for one of its own. Who shares the secret minds no setting of ours.</summary>
    public TimeSpan MintedFor => SharedSecret ? LongestLifetime : Lifetime;

    /// <summary>How long a token may be believed after this moment: its life, minted by a clock that is ahead and checked by one that is behind.</summary>
    public TimeSpan AliveFor(TimeSpan life) => life + (2 * ClockSkew);
}

/// <summary>Entries as readers get them: the feed's JSON, and the signed Security Event Token (RFC 8417). Ids, and roles where they changed; never a name, an address or a token.</summary>
internal sealed class EntryText(SetSigner signer, PublicUrl publicUrl, TokenFacts tokens)
{
    /// <summary>The audience of SETs for those who aren't bound to one service.</summary>
    public string Audience => tokens.Audience;

    /// <summary>The audience that a service's SETs are addressed to.</summary>
    public string AudienceOf(CallingService service) => service.Audience ?? tokens.Audience;

    public bool HearsAll(string? audience) => audience is null || audience == tokens.Audience;

    /// <summary>
    /// A service-bound reader hears of keys, and of what its own tokens are concerned by; all others hear everything.
    /// Whatever the case of its letters: a database that takes two spellings for one keeps the row of the first, and to be told too much does no harm.
    /// </summary>
    public bool Concerns(LoggedEvent entry, string? audience) =>
        HearsAll(audience) || entry.KeyId is not null
        || (entry.Audiences is { } bound && (bound == BoundAudience.Everybody || bound.Split(' ').Contains(audience, StringComparer.OrdinalIgnoreCase)));

    /// <summary>The message of the event stream, signed once per entry, audience and signing key, however many read it.</summary>
    public ReadOnlyMemory<byte> Frame(FeedEntry entry, string audience) =>
        entry.Cached($"frame {audience} {signer.KeyId()}", () =>
        {
            var data = new ArrayBufferWriter<byte>(1500);
            data.Write(Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"id: {entry.Event.Cursor}\nevent: {entry.Event.Type}\ndata: ")));
            Write(data, entry, audience);
            data.Write("\n\n"u8);
            return data.WrittenMemory.ToArray();
        });

    /// <summary>The JSON of that message alone.</summary>
    public ReadOnlyMemory<byte> Data(FeedEntry entry, string audience)
    {
        var data = new ArrayBufferWriter<byte>(1500);
        Write(data, entry, audience);
        return data.WrittenMemory;
    }

    /// <summary>The compact JWS.</summary>
    public string Set(FeedEntry entry, string audience) =>
        Encoding.UTF8.GetString(entry.Cached($"set {audience} {signer.KeyId()}", () => Encoding.UTF8.GetBytes(Sign(Claims(entry.Event, audience)))).Span);

    /// <summary>A SET of claims as <see cref="Claims"/> gave them, with the key that signs now.</summary>
    public string Sign(ReadOnlyMemory<byte> claims) => signer.Sign(claims);

    /// <summary>True while the key that signs is the one that this entry revokes: such a SET would be refused by whoever applies it.</summary>
    public bool SignsWithWhatItRevokes(LoggedEvent entry) => entry is { KeyId: { } key, Revokes: true } && key == signer.KeyId();

    /// <summary>Waits a second at most until another key signs than the one that this entry revokes.</summary>
    public async Task SettleAsync(LoggedEvent entry, CancellationToken ct)
    {
        for (var i = 0; i < 40 && SignsWithWhatItRevokes(entry); i++) await Task.Delay(25, ct);
    }

    /// <summary>Seconds since 1970, rounded up: rather remembered a second longer than forgotten too soon.</summary>
    public static long ExpiresOf(LoggedEvent entry) => entry.ExpiresAt.AddTicks(TimeSpan.TicksPerSecond - 1).ToUnixTimeSeconds();

    public static void Write(Utf8JsonWriter json, LoggedEvent entry, string? set = null)
    {
        json.WriteStartObject();
        json.WriteNumber("cursor", entry.Cursor);
        json.WriteString("type", entry.Type);
        if (entry.UserId is { } user) json.WriteString("sub", user);
        if (entry.SessionId is { } session) json.WriteString("sid", session);
        if (entry.KeyId is { } key) json.WriteString("kid", key);
        if (entry.NotBefore is { } notBefore) json.WriteNumber("notBefore", notBefore);
        json.WriteNumber("expires", ExpiresOf(entry));
        json.WriteString("reason", entry.Reason);
        if (set is not null) json.WriteString("set", set);
        json.WriteEndObject();
    }

    private void Write(ArrayBufferWriter<byte> data, FeedEntry entry, string audience)
    {
        using var json = new Utf8JsonWriter(data);
        Write(json, entry.Event, Set(entry, audience));
    }

    /// <summary>What a SET says, as UTF-8 JSON.</summary>
    public ReadOnlyMemory<byte> Claims(LoggedEvent entry, string audience)
    {
        var buffer = new ArrayBufferWriter<byte>(1000);
        using var json = new Utf8JsonWriter(buffer);
        json.WriteStartObject();
        json.WriteString("iss", publicUrl.Issuer);
        json.WriteString("aud", audience);
        json.WriteNumber("iat", entry.OccurredAt.ToUnixTimeSeconds());
        json.WriteString("jti", entry.Id);
        json.WriteString("txn", entry.Cursor.ToString(CultureInfo.InvariantCulture));
        json.WritePropertyName("sub_id");
        WriteSubject(json, entry);
        json.WriteStartObject("events");
        json.WriteStartObject(EventTypes.UriOf(entry.Type, publicUrl.Issuer));
        json.WriteNumber("event_timestamp", entry.OccurredAt.ToUnixTimeSeconds());
        // RISC has values of its own for this member of an Account Disabled, which say why an account was taken over.
        if (entry.Type != EventTypes.AccountDisabled) json.WriteString("reason", entry.Reason);
        if (entry.NotBefore is { } notBefore) json.WriteNumber("not_before", notBefore);
        if (entry.Type == EventTypes.CredentialChange)
        {
            // CAEP demands both of a Credential Change; which second factor it was is nobody else's business.
            json.WriteString("credential_type", entry.Reason == Causes.PasswordChanged.Reason ? "password" : "second-factor");
            json.WriteString("change_type", "update");
        }

        // CAEP demands them of a Token Claims Change, with their new values.
        if (entry.Claims is { } claims)
        {
            json.WritePropertyName("claims");
            json.WriteRawValue(claims);
        }

        json.WriteEndObject();
        json.WriteEndObject();
        json.WriteEndObject();
        json.Flush();
        return buffer.WrittenMemory;
    }

    // RFC 9493: the user and the session together, or the one part that there is; a key is opaque.
    private void WriteSubject(Utf8JsonWriter json, LoggedEvent entry)
    {
        json.WriteStartObject();
        if (entry is { UserId: { } user, SessionId: { } session })
        {
            json.WriteString("format", "complex");
            json.WriteStartObject("user");
            WriteUser(user);
            json.WriteEndObject();
            json.WriteStartObject("session");
            WriteOpaque(session.ToString());
            json.WriteEndObject();
        }
        else if (entry.UserId is { } only)
        {
            WriteUser(only);
        }
        else
        {
            WriteOpaque(entry.SessionId?.ToString() ?? entry.KeyId ?? "");
        }

        json.WriteEndObject();

        void WriteUser(Guid id)
        {
            json.WriteString("format", "iss_sub");
            json.WriteString("iss", publicUrl.Issuer);
            json.WriteString("sub", id);
        }

        void WriteOpaque(string id)
        {
            json.WriteString("format", "opaque");
            json.WriteString("id", id);
        }
    }
}
