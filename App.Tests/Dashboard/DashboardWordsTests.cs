using App.Dashboard;

namespace App.Tests.Dashboard;

/// <summary>What the overview says, case by case.</summary>
public sealed class DashboardWordsTests
{
    private static readonly DateTimeOffset Now = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    [Theory]
    [InlineData(0, false, "Everything runs. No service is connected yet.")]
    [InlineData(1, false, "Everything runs. No service has called yet.")]
    [InlineData(1, true, "One service is connected. It asks us, or a gateway does, so it hears of a sign-out at once.")]
    [InlineData(3, true, "3 services are connected. They ask us, or a gateway does, so they hear of a sign-out at once.")]
    public void Without_a_service_that_follows_it_says_what_there_is(int services, bool seen, string said) =>
        Assert.Equal(said, DashboardWords.Well(View([.. Enumerable.Range(0, services).Select(_ => Service("Asks", contact: seen ? Now : null))])));

    [Theory]
    [InlineData(1, null, "One service follows the feed and is up to date.")]
    [InlineData(2, null, "2 services follow the feed and are up to date.")]
    [InlineData(1, 0.034, "One service heard the last sign-out within 34\u00a0ms.")]
    [InlineData(2, 1.26, "2 services heard the last sign-out within 1.3\u00a0s.")]
    public void With_one_it_says_how_quick_they_were(int services, double? seconds, string said) =>
        Assert.Equal(said, DashboardWords.Well(View([.. Enumerable.Range(0, services).Select(_ => Service(following: 1))], new LastRevocationView(Now, services, services, seconds))));

    [Fact]
    public void A_service_that_checks_by_itself_and_does_not_follow_is_no_fresh_one()
    {
        Assert.Equal("Everything runs. No service follows the feed at the moment.", DashboardWords.Well(View([Service(contact: Now), Service("Asks", contact: Now)])));
        Assert.Equal(("Doesn’t follow the feed", "wait"), DashboardWords.State(Service(contact: Now)));
    }

    [Fact]
    public void The_state_of_a_service_is_the_worst_that_is_known_of_it()
    {
        var service = Service(following: 1, contact: Now);
        Assert.Equal(("Up to date", ""), DashboardWords.State(service));
        Assert.Equal(("Silent for 2\u00a0min", "wait"), DashboardWords.State(service with { Following = 0, SilentSeconds = 120 }));
        Assert.Equal(("3 not taken", "bad"), DashboardWords.State(service with { Undelivered = 3 }));
        Assert.Equal(("12\u00a0s behind", "wait"), DashboardWords.State(service with { Undelivered = 3, BehindSeconds = 12 }));
        Assert.Equal(("15\u00a0s behind", "bad"), DashboardWords.State(service with { BehindSeconds = 15 }));
        Assert.Equal(("Always fresh", ""), DashboardWords.State(Service("Gateway", contact: Now)));
        Assert.Equal(("Waiting for its first call", "wait"), DashboardWords.State(Service("Gateway")));
    }

    [Theory]
    [InlineData(0.000034, "0.03\u00a0ms")]
    [InlineData(0.00666, "6.7\u00a0ms")]
    [InlineData(0.0412, "41\u00a0ms")]
    [InlineData(2.34, "2.3\u00a0s")]
    [InlineData(12.6, "13\u00a0s")]
    [InlineData(600, "10\u00a0min")]
    [InlineData(7200, "2\u00a0h")]
    [InlineData(200_000, "2\u00a0days")]
    public void Times_are_as_exact_as_anybody_reads_them(double seconds, string said) => Assert.Equal(said, DashboardWords.Lasting(seconds));

    private static ServiceState Service(string trust = "ChecksItself", int following = 0, DateTimeOffset? contact = null) => new("orders", "Orders", trust, following, null, null, 0, contact);

    private static OverviewView View(IReadOnlyList<ServiceState> services, LastRevocationView? last = null) => new(Now, [], 0, last, services, null!);
}
