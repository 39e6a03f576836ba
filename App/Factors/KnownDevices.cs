using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using App.Data;
using App.Events;
using App.Mail;
using App.Sessions;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.EntityFrameworkCore;
using Microsoft.Net.Http.Headers;

namespace App.Factors;

/// <summary>
/// The browsers that a person has signed in with, by a cookie that only this service can make. Strangers' wrong passwords don't lock out the
/// owner's own device: it counts its guesses apart. A sign-in from anywhere else gets the owner a letter. A new password makes all of them strangers.
/// </summary>
internal sealed class KnownDevices(AppDb db, Outbox outbox, IDataProtectionProvider protection, CookieNames cookies)
{
    /// <summary>The draft of the letter, which Recovery writes.</summary>
    public const string Letter = "new-device";

    // Of several people at one browser, the last of them.
    private const int Most = 4;

    // Which the owner hasn't disowned.
    private const string SameBrowser = """
        SELECT 1 FROM "Sessions" WHERE "UserId" = @userId AND "Id" <> @sessionId AND "Address" = @address AND "UserAgent" = @userAgent
            AND ("RevokedBecause" IS NULL OR "RevokedBecause" <> @disowned)
        """;

    private readonly IDataProtector _protector = protection.CreateProtector("known devices");

    /// <summary>What the guesses of this client for this address are counted as: apart only where its cookie is as young as the password.</summary>
    /// <param name="user">Whose address it is; null for nobody's.</param>
    public string GuessesOf(Client client, string key, User? user)
    {
        // Read whoever it is: how long that takes tells nobody whether there is such a user.
        var devices = Read(client.Device);
        return user is not null && Find(devices, user) is { } known ? $"{known.Nonce} {key}" : key;
    }

    /// <summary>Whether this is a device of theirs.</summary>
    public bool Knows(Client client, User user) => Find(Read(client.Device), user) is not null;

    /// <summary>A letter to the owner, where neither the cookie nor an earlier session says that this is a device of theirs. In the caller's unit of work.</summary>
    public async Task TellIfNewAsync(User user, Guid sessionId, Client client, CancellationToken ct)
    {
        if (Knows(client, user)) return;
        // Programs that get tokens keep no cookie: the same program at the same address is nothing new.
        if (await db.ExistsAsync(SameBrowser, ct, ("@userId", user.Id), ("@sessionId", sessionId), ("@address", client.Address), ("@userAgent", client.UserAgent), ("@disowned", Causes.Disowned.Reason))) return;
        outbox.AddDraft(Letter, JsonSerializer.Serialize(new WhoAndWhere(user.Id, sessionId, client.Address, client.UserAgent)), userId: user.Id);
    }

    /// <summary>Written wherever the session's cookies are: whoever keeps those keeps this one, whether they are a page or a program.</summary>
    public async Task RememberAsync(HttpContext http, Guid userId, CancellationToken ct)
    {
        try
        {
            await RememberNowAsync(http, userId, ct);
        }
        catch (Exception e) when (DatabaseFault.Is(e))
        {
            // The session has begun, and whoever began it must get its cookies; the device is known from the next time on.
        }
    }

    private async Task RememberNowAsync(HttpContext http, Guid userId, CancellationToken ct)
    {
        if (await db.Users.AsNoTracking().SingleOrDefaultAsync(u => u.Id == userId, ct) is not { } user) return;
        var (devices, address) = (Read(http.Request.Cookies[cookies.Device]), HashOf(user.NormalizedEmail!));
        var known = Find(devices, user);
        // A stranger who knows the password chooses nothing for its owner.
        if (user.Language is null && known is not null && Client.Of(http).Language is { } language) await db.ChooseLanguageAsync(userId, language, ct);
        var nonce = known?.Nonce ?? Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(16));
        KnownDevice[] all = [new(address, nonce, StampOf(user)), .. devices.Where(d => d.Address != address).Take(Most - 1)];
        http.Response.Headers.Append(HeaderNames.SetCookie, new SetCookieHeaderValue(cookies.Device, _protector.Protect(JsonSerializer.Serialize(all)))
        {
            Path = "/",
            HttpOnly = true,
            SameSite = Microsoft.Net.Http.Headers.SameSiteMode.Lax,
            Secure = http.Request.IsHttps,
            MaxAge = TimeSpan.FromDays(400),
        }.ToString());
    }

    // What was written before the last change of the password says nothing any more.
    private static KnownDevice? Find(KnownDevice[] devices, User user) =>
        Array.Find(devices, d => d.Address == HashOf(user.NormalizedEmail!) && d.Stamp == StampOf(user));

    private KnownDevice[] Read(string? text)
    {
        if (string.IsNullOrEmpty(text)) return [];
        try
        {
            return JsonSerializer.Deserialize<KnownDevice[]>(_protector.Unprotect(text)) ?? [];
        }
        catch (Exception e) when (e is CryptographicException or FormatException or JsonException)
        {
            return []; // not one of ours: a stranger's
        }
    }

    private static string StampOf(User user) => HashOf(user.SecurityStamp ?? "");

    private static string HashOf(string text) => Base64Url.EncodeToString(SHA256.HashData(Encoding.UTF8.GetBytes(text)).AsSpan(0, 16));

    private sealed record KnownDevice(string Address, string Nonce, string Stamp);
}

/// <summary>What a letter about a sign-in or a change is written from.</summary>
internal sealed record WhoAndWhere(Guid UserId, Guid? SessionId, string Address, string UserAgent);
