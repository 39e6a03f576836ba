using App.Passwords;

namespace App.Tests.Passwords;

public class Argon2HashTests
{
    // From the reference program: printf '%s' PASSWORD | argon2 SALT -id -t 2 -k 19456 -p 1 -l 32 -e
    private const string Battery = "$argon2id$v=19$m=19456,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$gy5SuVm5Z7Vw7keB9se9p87QGcomaseB/S2U1OhTsM0";
    private const string Accents = "$argon2id$v=19$m=19456,t=2,p=1$Z2F0ZWhvdXNlLXNhbHQtMQ$rwXv2REYXwqyw+xzytNQZgbOIayNqgH1GF4U/r6Vi3Y";
    private const string Tail = "$MDEyMzQ1Njc4OWFiY2RlZg$gy5SuVm5Z7Vw7keB9se9p87QGcomaseB/S2U1OhTsM0";

    [Theory]
    [InlineData(Battery, "correct horse battery staple")]
    [InlineData(Accents, "pass phrase 🔐 été")]
    [InlineData(Accents, "pass phrase 🔐 e\u0301te\u0301")]
    public void The_reference_program_and_we_agree(string stored, string password)
    {
        Assert.True(Argon2Hash.TryParse(stored, out var hash));
        Assert.True(hash.Matches(password));
        Assert.Equal(stored, hash.ToString());
    }

    [Theory]
    [InlineData(" correct horse battery staple")]
    [InlineData("correct horse battery staple ")]
    [InlineData("Correct horse battery staple")]
    [InlineData("correct horse battery staple\0")]
    [InlineData("")]
    public void Nothing_but_the_exact_text_matches(string password)
    {
        Assert.True(Argon2Hash.TryParse(Battery, out var hash));
        Assert.False(hash.Matches(password));
    }

    [Fact]
    public void Bytes_beyond_the_72nd_count()
    {
        var hash = Argon2Hash.Of(new string('x', 72) + "a");
        Assert.False(hash.Matches(new string('x', 72) + "b"));
        Assert.False(hash.Matches(new string('x', 72)));
        Assert.True(hash.Matches(new string('x', 72) + "a"));
    }

    // Not a theory: an attribute is stored as UTF-8 and would turn the half pair into U+FFFD.
    [Fact]
    public void Half_a_surrogate_pair_hashes_to_something_that_nothing_matches()
    {
        Assert.True(Argon2Hash.TryParse(Battery, out var stored));
        foreach (var password in new[] { "\ud800", "a good start \udc00 and a bad middle" })
        {
            Assert.False(stored.Matches(password));
            Assert.False(Argon2Hash.Of(password).Matches(password));
        }
    }

    [Fact]
    public void A_control_character_hashes_like_any_other() => Assert.True(Argon2Hash.Of("a\0b").Matches("a\0b"));

    [Fact]
    public void Two_hashes_of_one_password_differ() =>
        Assert.NotEqual(Argon2Hash.Of("the same one").ToString(), Argon2Hash.Of("the same one").ToString());

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("garbage")]
    [InlineData("$argon2id$v=19$")]
    [InlineData("$argon2i$v=19$m=19456,t=2,p=1" + Tail)]
    [InlineData("$argon2id$v=16$m=19456,t=2,p=1" + Tail)]
    [InlineData("$argon2id$m=19456,t=2,p=1" + Tail)]
    [InlineData("$argon2id$v=19$t=2,m=19456,p=1" + Tail)]
    [InlineData("$argon2id$v=19$m=019456,t=2,p=1" + Tail)]
    [InlineData("$argon2id$v=19$m=+19456,t=2,p=1" + Tail)]
    [InlineData("$argon2id$v=19$m= 19456,t=2,p=1" + Tail)]
    [InlineData("$argon2id$v=19$m=,t=2,p=1" + Tail)]
    [InlineData("$argon2id$v=19$m=7,t=2,p=1" + Tail)]
    [InlineData("$argon2id$v=19$m=262145,t=2,p=1" + Tail)]
    [InlineData("$argon2id$v=19$m=99999999999,t=2,p=1" + Tail)]
    [InlineData("$argon2id$v=19$m=19456,t=0,p=1" + Tail)]
    [InlineData("$argon2id$v=19$m=19456,t=11,p=1" + Tail)]
    [InlineData("$argon2id$v=19$m=19456,t=2,p=2" + Tail)]
    [InlineData("$argon2id$v=19$m=19456,t=2,p=1,data=AA" + Tail)]
    [InlineData("$argon2id$v=19$m=19456,t=2,p=1" + Tail + "=")]
    [InlineData("$argon2id$v=19$m=19456,t=2,p=1" + Tail + "$")]
    [InlineData("$argon2id$v=19$m=19456,t=2,p=1" + Tail + " ")]
    [InlineData("$argon2id$v=19$m=19456,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZh$gy5SuVm5Z7Vw7keB9se9p87QGcomaseB/S2U1OhTsM0")]
    [InlineData("$argon2id$v=19$m=19456,t=2,p=1$MDEyMzQ1Njc4OWFiY2Rl$gy5SuVm5Z7Vw7keB9se9p87QGcomaseB/S2U1OhTsM0")]
    [InlineData("$argon2id$v=19$m=19456,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$")]
    public void Any_other_spelling_is_refused(string? stored) => Assert.False(Argon2Hash.TryParse(stored, out _));

    [Fact]
    public void The_smallest_and_the_largest_parameters_that_parse_also_run()
    {
        Assert.True(Argon2Hash.TryParse("$argon2id$v=19$m=8,t=1,p=1" + Tail, out var small));
        Assert.False(small.Matches("whatever"));
        Assert.True(small.IsWeakerThanCurrent);
        Assert.True(Argon2Hash.TryParse("$argon2id$v=19$m=262144,t=1,p=1" + Tail, out var large));
        Assert.False(large.Matches("whatever"));
    }

    [Fact]
    public void The_decoy_matches_nothing_and_costs_the_current_price()
    {
        Assert.False(Argon2Hash.Decoy.IsWeakerThanCurrent);
        Assert.Equal((Argon2Hash.CurrentMemory, Argon2Hash.CurrentPasses), (Argon2Hash.Decoy.Memory, Argon2Hash.Decoy.Passes));
        Assert.False(Argon2Hash.Decoy.Matches(""));
    }
}
