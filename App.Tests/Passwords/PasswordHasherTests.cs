using System.Buffers.Binary;
using App.Passwords;
using FsCheck.Xunit;
using Microsoft.AspNetCore.Identity;
using Microsoft.Extensions.Options;
using IdentityHasher = Microsoft.AspNetCore.Identity.PasswordHasher<object>;

namespace App.Tests.Passwords;

public class PasswordHasherTests
{
    private const string Password = "correct horse battery staple";
    private static readonly object User = new();
    private readonly App.Passwords.PasswordHasher<object> hasher = new();

    private PasswordVerificationResult Verify(string stored, string password = Password) =>
        hasher.VerifyHashedPassword(User, stored, password);

    [Fact]
    public void A_new_hash_verifies_and_a_wrong_password_does_not()
    {
        var stored = hasher.HashPassword(User, Password);
        Assert.StartsWith("$argon2id$v=19$m=19456,t=2,p=1$", stored, StringComparison.Ordinal);
        Assert.Equal(PasswordVerificationResult.Success, Verify(stored));
        Assert.Equal(PasswordVerificationResult.Failed, Verify(stored, Password + "!"));
    }

    [Theory]
    [InlineData(PasswordHasherCompatibilityMode.IdentityV3)]
    [InlineData(PasswordHasherCompatibilityMode.IdentityV2)]
    public void Identitys_own_hash_verifies_and_asks_for_a_new_one(PasswordHasherCompatibilityMode mode)
    {
        var identity = new IdentityHasher(Options.Create(new PasswordHasherOptions { CompatibilityMode = mode }));
        var stored = identity.HashPassword(User, Password);
        Assert.Equal(PasswordVerificationResult.SuccessRehashNeeded, Verify(stored));
        Assert.Equal(PasswordVerificationResult.Failed, Verify(stored, "wrong"));
        Assert.Equal(PasswordVerificationResult.Failed, Verify(stored, "\ud800"));
    }

    [Theory]
    // From the reference program, as in Argon2HashTests.
    [InlineData("$argon2id$v=19$m=4096,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$WnyhJNrhMmazCUxk3W+KJq457RNqILQktDTqyPaOJF4")]
    [InlineData("$argon2id$v=19$m=19456,t=1,p=1$MDEyMzQ1Njc4OWFiY2RlZg$K1enrpRISY3No+jNJpy4lWQ9CODG1EkHvgTm4QcKGEc")]
    public void A_weaker_hash_than_ours_asks_for_a_new_one(string stored)
    {
        Assert.Equal(PasswordVerificationResult.SuccessRehashNeeded, Verify(stored));
        Assert.Equal(PasswordVerificationResult.Failed, Verify(stored, "wrong"));
    }

    [Theory]
    [InlineData("")]
    [InlineData("AA==")]
    [InlineData("AQAAAAEAACcQAAAAEA==")]
    [InlineData("not base64 at all!")]
    [InlineData("$2a$10$abcdefghijklmnopqrstuv")]
    public void Garbage_in_the_row_matches_nothing(string stored) =>
        Assert.Equal(PasswordVerificationResult.Failed, Verify(stored));

    [Fact]
    public void A_tampered_row_cannot_ask_for_minutes_of_work()
    {
        var bytes = Convert.FromBase64String(new IdentityHasher().HashPassword(User, Password));
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(5), int.MaxValue);
        var stored = Convert.ToBase64String(bytes);
        Assert.False(App.Passwords.PasswordHasher<object>.Knows(stored));
        Assert.Equal(PasswordVerificationResult.Failed, Verify(stored));
    }

    [Property(MaxTest = 300)]
    public bool No_stored_text_makes_it_throw(char[] stored, byte[] bytes) =>
        Verify(new string(stored)) == PasswordVerificationResult.Failed
        && Verify(Convert.ToBase64String(bytes)) == PasswordVerificationResult.Failed;

    [Property(MaxTest = 20)]
    public bool No_password_makes_it_throw_and_what_is_text_matches_itself(char[] characters)
    {
        var password = new string(characters);
        var expected = PasswordText.IsUnicode(password) ? PasswordVerificationResult.Success : PasswordVerificationResult.Failed;
        return Verify(hasher.HashPassword(User, password), password) == expected;
    }
}
