using System.Text;
using App.Factors;

namespace App.Tests.Factors;

public sealed class TotpTests
{
    private static readonly byte[] Secret = Encoding.ASCII.GetBytes("12345678901234567890");

    [Theory] // RFC 6238, appendix B, the last six digits
    [InlineData(59, "287082")]
    [InlineData(1111111109, "081804")]
    [InlineData(1111111111, "050471")]
    [InlineData(1234567890, "005924")]
    [InlineData(2000000000, "279037")]
    [InlineData(20000000000, "353130")]
    public void Codes_are_those_of_the_standard(long seconds, string code) =>
        Assert.Equal(code, Totp.Code(Secret, Totp.StepAt(DateTimeOffset.FromUnixTimeSeconds(seconds))));

    [Fact]
    public void A_code_is_known_one_step_early_and_late_and_no_further()
    {
        var now = DateTimeOffset.FromUnixTimeSeconds(1234567890);
        var step = Totp.StepAt(now);
        for (var off = -3; off <= 3; off++)
            Assert.Equal(Math.Abs(off) <= 1 ? step + off : null, Totp.StepOf(Secret, Totp.Code(Secret, step + off), now));
        foreach (var wrong in new[] { "", "00592", "0059244", "x05924", "٠٠٥٩٢٤" }) Assert.Null(Totp.StepOf(Secret, wrong, now));
    }

    [Fact]
    public void The_key_is_base32_and_its_address_says_all_that_an_app_asks()
    {
        Assert.Equal("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", Totp.Text(Secret));
        Assert.Equal(
            "otpauth://totp/Acme%20%26%20Co:ada%2Bone%40example.test?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Acme%20%26%20Co&algorithm=SHA1&digits=6&period=30",
            Totp.Uri(Secret, "Acme & Co", "ada+one@example.test"));
    }
}
