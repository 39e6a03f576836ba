using App.Passwords;
using App.Shared;
using Microsoft.AspNetCore.Identity;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using PasswordOptions = App.Passwords.PasswordOptions;

namespace App.Tests.Passwords;

public sealed class PasswordChecksTests : IDisposable
{
    private const string Password = "correct horse battery staple";
    private readonly HashingThreads threads = new(new PasswordOptions { HashingThreads = 1 });
    private readonly PasswordChecks checks;

    public PasswordChecksTests() => checks = new(threads);

    public void Dispose() => threads.Dispose();

    [Fact]
    public async Task A_hash_made_here_verifies_here()
    {
        var stored = await checks.HashAsync(Password, default);
        Assert.Equal(PasswordVerificationResult.Success, await checks.VerifyAsync(stored, Password, default));
        Assert.Equal(PasswordVerificationResult.Failed, await checks.VerifyAsync(stored, "wrong", default));
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("garbage")]
    public async Task Without_a_hash_no_password_is_right(string? stored)
    {
        Assert.Equal(PasswordVerificationResult.Failed, await checks.VerifyAsync(stored, Password, default));
        Assert.Equal(PasswordVerificationResult.Failed, await checks.VerifyAsync(stored, "", default));
    }

    [Fact]
    public async Task An_unknown_user_costs_what_a_wrong_password_costs()
    {
        var stored = await checks.HashAsync(Password, default);
        // The decoy asks for the same work as a hash made today…
        Assert.Equal(Parameters(stored), Parameters(Argon2Hash.Decoy.ToString()!));
        // …and is worked on by the same threads: with them gone, neither check can be answered.
        threads.Dispose();
        await Assert.ThrowsAnyAsync<Exception>(() => checks.VerifyAsync(stored, "wrong", default));
        await Assert.ThrowsAnyAsync<Exception>(() => checks.VerifyAsync(null, "wrong", default));

        static string Parameters(string hash) => string.Join('$', hash.Split('$')[..4]);
    }

    [Fact]
    public async Task A_megabyte_is_refused_without_hashing()
    {
        var huge = new string('x', 1 << 20);
        threads.Dispose(); // so that any attempt to hash would throw
        Assert.Equal(PasswordVerificationResult.Failed, await checks.VerifyAsync(null, huge, default));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Our_hasher_wins_over_Identitys_in_either_order(bool first)
    {
        var services = new ServiceCollection();
        services.AddSingleton<IConfiguration>(new ConfigurationBuilder().AddInMemoryCollection([new("Passwords:QueueLength", "7")]).Build());
        services.AddSettings<Brand>("Brand");
        if (first) services.AddPasswords<IdentityUser<Guid>>();
        services.AddIdentityCore<IdentityUser<Guid>>();
        if (!first) services.AddPasswords<IdentityUser<Guid>>();
        using var provider = services.BuildServiceProvider();
        Assert.IsType<App.Passwords.PasswordHasher<IdentityUser<Guid>>>(provider.GetRequiredService<IPasswordHasher<IdentityUser<Guid>>>());
        Assert.Equal(7, provider.GetRequiredService<PasswordOptions>().QueueLength);
        Assert.NotNull(provider.GetRequiredService<PasswordChecks>());
        Assert.NotNull(provider.GetRequiredService<PasswordPolicy>());
    }
}
