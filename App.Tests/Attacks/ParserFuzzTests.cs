using System.Text;
using App.Accounts;
using App.Data;
using App.Passwords;
using App.Shared;
using App.Sessions;
using App.Tokens;
using App.Ui;
using Microsoft.AspNetCore.Http;

namespace App.Tests.Attacks;

/// <summary>
/// Whatever is read from strangers, read ten thousand times and more: an answer each time, never an exception. ATTACKS: no 5xx for any input.
/// A hundred thousand by hand: <c>FUZZ_TIMES=5</c>.
/// </summary>
public sealed class ParserFuzzTests
{
    private const int Cases = 20_000;

    private static readonly MasterKey Master = MasterKey.TryParse(Convert.ToBase64String(new byte[32]), out var key) ? key : throw new InvalidOperationException();

    [Fact]
    public Task No_text_makes_the_token_parser_throw_or_believe()
    {
        var tokens = Tokens.Vectors.Tokens().Select(v => v.Token).Where(t => t.Length < 4000).ToArray();
        return Each(1, noise =>
        {
            var text = noise.Chance(4) ? noise.Text(60)
                : noise.Chance(3) ? string.Join('.', Segment(noise), Segment(noise), Segment(noise))
                : noise.Wound(noise.Pick(tokens));
            if (StrictToken.Parse(text, noise.Pick("ES256", "HS256"), out var fault) is null) Assert.True(fault is TokenFault.Form or TokenFault.Header or TokenFault.Signature or TokenFault.Claims);
        });
    }

    [Fact]
    public Task No_cookie_header_makes_the_cookie_reader_throw()
    {
        var cookies = new SessionCookies(new CookieNames());
        var headers = Tokens.Vectors.Cookies().Select(v => v.Header).Where(h => h.Length < 4000).ToArray();
        return Each(2, noise =>
        {
            var http = new DefaultHttpContext();
            http.Request.Headers.Cookie = noise.Chance(3) ? noise.Text(40) : noise.Wound(noise.Pick(headers));
            SessionCookies.Unwrap(cookies.Read(http.Request).Session.ToString());
            SessionCookies.Unwrap(Convert.ToBase64String(Encoding.UTF8.GetBytes(noise.Json())));
        });
    }

    [Fact]
    public Task No_text_is_taken_for_a_refresh_token()
    {
        var key = new RefreshKey(Master);
        var good = RefreshToken.First(Guid.NewGuid()).Reveal(key);
        Assert.NotNull(RefreshToken.Parse(good, key));
        return Each(3, noise =>
        {
            var text = noise.Chance(2) ? noise.Wound(good) : noise.Text(90);
            if (text != good) Assert.Null(RefreshToken.Parse(text, key));
        });
    }

    [Fact]
    public async Task No_body_makes_the_course_reader_throw()
    {
        var noise = new Noise(4);
        await noise.EachAsync(Cases, async () =>
        {
            var bytes = noise.Next(3) switch
            {
                0 => noise.Bytes(80),
                1 => Encoding.UTF8.GetBytes(noise.Wound("""{"email":"a@example.test","password":"x"}""")),
                _ => Encoding.UTF8.GetBytes(noise.Json()),
            };
            var http = new DefaultHttpContext { Request = { ContentType = noise.Chance(20) ? noise.Text(12) : "application/json", Body = new MemoryStream(bytes) } };
            var body = await CourseBody.ReadAsync(http.Request, CancellationToken.None);
            body?.Text("email");
            body?.Text("password");
            body?.Text("name");
        });
    }

    [Fact]
    public Task No_text_makes_the_address_parser_throw_and_every_key_is_its_own()
    {
        return Each(5, noise =>
        {
            var text = noise.Chance(3) ? noise.Text(12) + "@" + noise.Text(8) + ".test" : noise.Wound("ada.lovelace@example.test");
            if (!EmailAddress.TryParse(text, out var address)) return;
            Assert.True(EmailAddress.TryParse(address.Key, out var again));
            Assert.Equal(address.Key, again.Key);
        });
    }

    [Fact]
    public Task No_text_makes_the_return_address_throw_or_leave()
    {
        return Each(6, noise =>
        {
            var taken = ReturnUrl.Local("/" + (noise.Chance(2) ? noise.Text(20) : Uri.EscapeDataString(noise.Text(8).Replace("\ud800", "", StringComparison.Ordinal))), "/account");
            Assert.Equal("auth.example.test", new Uri(new Uri("https://auth.example.test"), taken).Host);
        });
    }

    [Fact]
    public Task No_text_makes_the_password_rules_throw()
    {
        var policy = new PasswordPolicy(new PasswordOptions(), new Brand());
        var hasher = new PasswordHasher<object>();
        var stored = hasher.HashPassword(new object(), TestApp.Password);
        return Each(7, noise =>
        {
            policy.Check(noise.Text(40), noise.Text(20), noise.Chance(2) ? null : noise.Text(10));
            PasswordText.ToBytes(noise.Text(20));
            PasswordHasher<object>.Knows(noise.Wound(stored));
        });
    }

    private static string Segment(Noise noise) => System.Buffers.Text.Base64Url.EncodeToString(Encoding.UTF8.GetBytes(noise.Json()));

    private static Task Each(int seed, Action<Noise> probe)
    {
        var noise = new Noise(seed);
        return noise.EachAsync(Cases, () =>
        {
            probe(noise);
            return Task.CompletedTask;
        });
    }
}
