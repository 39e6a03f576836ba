using App.Gateway;

namespace App.Tests.Gateway;

public sealed class IdentityHeadersTests
{
    [Theory]
    [InlineData("ada@example.test", "ada@example.test")]
    [InlineData("jürgen@bücher.example", "j%C3%BCrgen@b%C3%BCcher.example")]
    [InlineData("a\r\nX-Auth-Roles: admin", "a%0D%0AX-Auth-Roles:%20admin")]
    [InlineData("100%", "100%25")]
    [InlineData("\0", "%00")]
    [InlineData("😀", "%F0%9F%98%80")]
    public void No_name_can_break_a_header(string text, string encoded)
    {
        Assert.Equal(encoded, IdentityHeaders.Encode(text));
        Assert.Equal(text, Uri.UnescapeDataString(encoded));
        Assert.Equal(encoded + "%EF%BF%BD", IdentityHeaders.Encode(text + '\ud800'));
    }
}
