using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using App.Data;
using App.Events;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;
using Microsoft.Net.Http.Headers;

namespace App.Factors;

/// <summary>A WebAuthn challenge that was answered. Remembered until it has expired by any clock.</summary>
internal sealed class UsedChallenge : IEntityTypeConfiguration<UsedChallenge>
{
    public string Key { get; set; } = "";
    public DateTimeOffset ExpiresAt { get; set; }

    void IEntityTypeConfiguration<UsedChallenge>.Configure(EntityTypeBuilder<UsedChallenge> builder)
    {
        builder.ToTable("UsedChallenges");
        builder.HasKey(c => c.Key);
        builder.Property(c => c.Key).HasMaxLength(43).IsUnicode(false);
        builder.HasIndex(c => c.ExpiresAt);
    }
}

/// <summary>One begun exchange with an authenticator.</summary>
/// <param name="Purpose">What it was begun for; an answer is good for nothing else.</param>
/// <param name="State">Identity's own, with the challenge in it.</param>
/// <param name="Expires">Seconds since 1970.</param>
/// <param name="Subject">Whoever began it: the session of somebody signed in, or the second step of a sign-in.</param>
/// <param name="Browser">Hash of what only the browser that began it holds.</param>
internal sealed record PasskeyCeremony(string Purpose, string State, long Expires, string? Subject, string Browser);

/// <summary>
/// Begun exchanges are held by the browser, sealed, so that a visitor who only looks at the sign-in page costs no row. One that is answered
/// is entered as used in the transaction of its effect, under a unique key: of any number of answers, at any replica, one counts.
/// Identity's own state isn't single-use (WebAuthn section 13.4.3 asks for it).
/// </summary>
internal sealed class PasskeyCeremonies(AppDb db, MasterKey masterKey, TimeProvider time)
{
    public static readonly TimeSpan Lasts = TimeSpan.FromMinutes(5);

    // For a while longer: where the clock is set back, its handle is in time once more.
    public static readonly Sweep Sweep = new((db, now, ct) =>
    {
        var horizon = now - RevocationIndex.Slack;
        return db.ForgetAsync(db.Set<UsedChallenge>().Where(c => c.ExpiresAt < horizon).OrderBy(c => c.ExpiresAt), ct);
    });

    private const string Cookie = "passkey_browser";
    private const string Sealed = "passkey ceremony";

    /// <returns>The handle, to be sent back with the authenticator's answer by the same browser.</returns>
    public string Begin(string purpose, string state, string? subject, HttpContext http)
    {
        var browser = http.Request.Cookies[Cookie];
        if (browser is not { Length: 43 }) SetCookie(http, browser = Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(32)));
        var ceremony = new PasskeyCeremony(purpose, state, (time.GetUtcNow() + Lasts).ToUnixTimeSeconds(), subject, HashOf(browser));
        return Base64Url.EncodeToString(masterKey.Encrypt(JsonSerializer.SerializeToUtf8Bytes(ceremony), Sealed));
    }

    /// <returns>Null unless it is one of ours, in time, and of this purpose, subject and browser.</returns>
    public PasskeyCeremony? Open(string? handle, string purpose, string? subject, HttpContext http)
    {
        try
        {
            var ceremony = JsonSerializer.Deserialize<PasskeyCeremony>(masterKey.Decrypt(Base64Url.DecodeFromChars(handle), Sealed))!;
            var good = ceremony.Purpose == purpose && ceremony.Subject == subject && ceremony.Expires > time.GetUtcNow().ToUnixTimeSeconds()
                && ceremony.Browser == HashOf(http.Request.Cookies[Cookie] ?? "");
            return good ? ceremony : null;
        }
        catch (Exception e) when (e is FormatException or CryptographicException)
        {
            return null;
        }
    }

    /// <summary>Part of the caller's unit of work: saving it fails with a unique violation for all but the first.</summary>
    public void Use(PasskeyCeremony ceremony) =>
        db.Add(new UsedChallenge { Key = HashOf(ceremony.State), ExpiresAt = DateTimeOffset.FromUnixTimeSeconds(ceremony.Expires) });

    private static string HashOf(string text) => Base64Url.EncodeToString(SHA256.HashData(Encoding.UTF8.GetBytes(text)));

    private static void SetCookie(HttpContext http, string value) => http.Response.Headers.Append(HeaderNames.SetCookie, new SetCookieHeaderValue(Cookie, value)
    {
        Path = "/api/passkeys",
        HttpOnly = true,
        SameSite = Microsoft.Net.Http.Headers.SameSiteMode.Strict,
        Secure = http.Request.IsHttps,
    }.ToString());
}
