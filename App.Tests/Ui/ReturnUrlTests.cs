using App.Ui;
using FsCheck.Xunit;
using Microsoft.AspNetCore.Http;

namespace App.Tests.Ui;

public sealed class ReturnUrlTests
{
    private const string Fallback = "/account";

    [Theory]
    [InlineData("/")]
    [InlineData("/account/sessions")]
    [InlineData("/orders?id=5&sort=a%2Fb")]
    [InlineData("/orders?next=https://elsewhere.test//x")]
    [InlineData("/search?q=%C3%A9t%C3%A9")]
    [InlineData("/caf%C3%A9/menu#today")]
    [InlineData("/a%20b")]
    [InlineData("/100%")]
    [InlineData("/mail?text=line%0Aline")]
    [InlineData("/@somebody")]
    [InlineData("/account/sign-in?returnUrl=%2Forders")]
    public void A_path_of_ours_is_taken_as_it_is(string url) => Assert.Equal(url, ReturnUrl.Local(url, Fallback));

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("orders")]
    [InlineData("./orders")]
    [InlineData("~/orders")]
    [InlineData("?x=/")]
    [InlineData(" /orders")]
    [InlineData("/orders ")]
    public void What_is_not_a_rooted_path_falls_to_the_default(string? url) => Assert.Equal(Fallback, ReturnUrl.Local(url, Fallback));

    [Theory] // RED-01
    [InlineData("//evil.test")]
    [InlineData("///evil.test")]
    [InlineData(@"/\evil.test")]
    [InlineData(@"\\evil.test")]
    [InlineData(@"\/evil.test")]
    [InlineData("/%5cevil.test")]
    [InlineData("/%5Cevil.test")]
    [InlineData("/%2fevil.test")]
    [InlineData("/%2f%2fevil.test")]
    [InlineData("/%252f%252fevil.test")]
    [InlineData("/%25252fevil.test")]
    [InlineData("/%255cevil.test")]
    [InlineData("/.//evil.test")]
    [InlineData("/%2e/%2fevil.test")]
    [InlineData("/a/..//evil.test")]
    [InlineData("/a%2f..%2f%2fevil.test")]
    [InlineData("/%ef%bc%8fevil.test")]
    [InlineData("/%ef%bc%bcevil.test")]
    [InlineData("/\uff0fevil.test")]
    [InlineData("/%25252525252fevil.test")]
    public void Forms_that_some_reader_takes_for_another_host_fall_to_the_default(string url) =>
        Assert.Equal(Fallback, ReturnUrl.Local(url, Fallback));

    [Theory] // RED-02, RED-04
    [InlineData("https://evil.test")]
    [InlineData("https:evil.test")]
    [InlineData("http:///evil.test")]
    [InlineData("https://auth.example.test@evil.test")]
    [InlineData("https://auth.example.test.evil.test")]
    [InlineData("javascript:alert(1)")]
    [InlineData("JaVaScRiPt:alert(1)")]
    [InlineData("data:text/html,<script>")]
    [InlineData("vbscript:x")]
    public void Schemes_fall_to_the_default(string url) => Assert.Equal(Fallback, ReturnUrl.Local(url, Fallback));

    [Theory] // RED-03
    [InlineData("/\t/evil.test")]
    [InlineData("/%09/evil.test")]
    [InlineData("/\r\nLocation: https://evil.test")]
    [InlineData("/%0d%0aLocation:%20https://evil.test")]
    [InlineData("/%250d%250aSet-Cookie:%20session=x")]
    [InlineData("/\0")]
    [InlineData("/%00")]
    [InlineData("/\u007f")]
    [InlineData("/a\u0085b")]
    [InlineData("/%c2%85")]
    [InlineData("/caf\u00e9")]
    [InlineData("/\u2028")]
    public void Control_characters_and_raw_unicode_fall_to_the_default(string url) => Assert.Equal(Fallback, ReturnUrl.Local(url, Fallback));

    [Fact]
    public void The_longest_address_taken_back_has_2048_characters()
    {
        var longest = "/" + new string('a', 2047);
        Assert.Equal(longest, ReturnUrl.Local(longest, Fallback));
        Assert.Equal(Fallback, ReturnUrl.Local(longest + "a", Fallback));
    }

    [Fact]
    public void The_sign_in_page_leads_back_to_the_whole_address()
    {
        var http = new DefaultHttpContext();
        http.Request.Path = "/account/sessions";
        http.Request.QueryString = new QueryString("?a=1&b=/x");
        Assert.Equal("/account/sign-in?returnUrl=%2Faccount%2Fsessions%3Fa%3D1%26b%3D%2Fx", ReturnUrl.SignIn(http.Request));
    }

    [Property(MaxTest = 2000)]
    public bool Whatever_passes_stays_on_the_origin(string? noise) => Stays(noise) && Stays("/" + noise);

    [Property(MaxTest = 2000)]
    public bool Mixtures_of_the_dangerous_pieces_stay_on_the_origin(int[] choice) =>
        Stays("/" + string.Concat((choice ?? []).Select(n => Pieces[Math.Abs(n % Pieces.Length)])));

    private static readonly string[] Pieces =
        ["/", "\\", "%2f", "%5c", "%25", "2f", "5c", ".", "..", "%2e", "@", ":", "evil.test", "https:", "?", "#", "%09", "\t", "\uff0f", "%ef%bc%8f", "a"];

    private static bool Stays(string? url)
    {
        var taken = ReturnUrl.Local(url, Fallback);
        var origin = new Uri("https://auth.example.test");
        // As the browser resolves it, and as it would after one more decoding on the way.
        return taken.StartsWith('/')
            && taken.All(c => c is > ' ' and <= '~')
            && new Uri(origin, taken).Host == origin.Host
            && new Uri(origin, Uri.UnescapeDataString(taken.Split('?', '#')[0])).Host == origin.Host;
    }
}
