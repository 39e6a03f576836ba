using System.Net;
using AngleSharp.Dom;
using App.Drill;
using App.Events;
using App.Tests.Accounts;
using App.Tests.Admin;
using App.Tests.Events;

namespace App.Tests.Drill;

/// <summary>The page of the fire drill, as a browser without script meets it, and what it says.</summary>
public sealed class DrillPageTests : IAsyncLifetime
{
    private const string Path = "/admin/drill";
    private static readonly TimeSpan Target = TimeSpan.FromSeconds(1);

    private readonly TestApp _app = TestApp.Start(FeedServices.Settings);
    private TestUser _admin = null!;

    public async Task InitializeAsync() => _admin = await _app.NewAdminAsync();

    public async Task DisposeAsync() => await _app.DisposeAsync();

    [Fact]
    public async Task A_button_begins_it_and_leads_to_how_it_stands()
    {
        await AckAsync("billing", 1);
        await AckAsync("orders", 1, "a");
        var before = await PageAsync(Path);
        Assert.Equal(["billing", "orders"], Bars(before).Select(b => b.Name));
        var answer = await _app.PostFormAsync(Path, "drill", [], _admin.Cookies);
        Assert.Equal(HttpStatusCode.SeeOther, answer.StatusCode);
        Assert.StartsWith(Path + "?id=", answer.Location(), StringComparison.Ordinal);
        var begun = await PageAsync(answer.Location());
        // The same rows as before, so that nothing moves.
        Assert.Equal(Bars(before).Select(b => b.Name), Bars(begun).Select(b => b.Name));
        Assert.Contains("Refusing it so far: 0 of 2 services.", begun.QuerySelector(".drill")!.TextContent, StringComparison.Ordinal);

        _app.Time.Advance(TimeSpan.FromMilliseconds(34));
        await AckAsync("orders", 2, "a");
        _app.Time.Advance(TimeSpan.FromSeconds(6));
        var late = await PageAsync(answer.Location());
        Assert.Equal([("billing", "6 s behind"), ("orders", "after 34 ms")], Bars(late));
        Assert.Contains("billing hasn’t answered after 5 s: it is 6 s behind.", Words(late.QuerySelector(".drill.bad")!), StringComparison.Ordinal);
        Assert.Equal("/services/billing", late.QuerySelector(".drill a")!.GetAttribute("href"));

        await AckAsync("billing", 2);
        var over = await PageAsync(answer.Location());
        Assert.Equal("All 2 services refused it within 6 s. billing was 5 s later than the target of 1 s.", Words(over.QuerySelector(".drill.wait b")!));
        Assert.Equal(["billing without a name after 6 s", "orders a after 34 ms"], over.QuerySelectorAll("tbody tr").Select(row => string.Join(' ', row.TextContent.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)[..^2])));
        Assert.Contains("Half of the instances within 34 ms, the slowest after 6 s; the target is 1 s.", Words(over.QuerySelector("main")!), StringComparison.Ordinal);
        Assert.Contains(over.QuerySelectorAll("code"), c => c.TextContent.Contains("/api/admin/drills", StringComparison.Ordinal));

        _app.Time.Advance(TimeSpan.FromMinutes(2));
        Assert.Contains(answer.Location(), (await PageAsync(Path)).QuerySelectorAll(".list a").Select(a => a.GetAttribute("href")));
    }

    [Fact]
    public async Task A_second_admin_is_led_to_the_one_under_way()
    {
        await AckAsync("billing", 1);
        var first = await _app.PostFormAsync(Path, "drill", [], _admin.Cookies);
        var other = await _app.NewAdminAsync();
        var second = await _app.PostFormAsync(Path, "drill", [], other.Cookies);
        Assert.Equal(first.Location(), second.Location());
        Assert.Contains("began a moment ago", (await _app.FollowAsync(second, other.Cookies)).QuerySelector(".notice.wait")!.TextContent, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_a_service_in_contact_it_says_what_to_do_and_an_old_address_where_to_go()
    {
        var empty = await PageAsync(Path);
        Assert.Equal("/services", empty.QuerySelector(".empty a")!.GetAttribute("href"));
        await using var fresh = TestApp.Start();
        var admin = await fresh.NewAdminAsync();
        Assert.Equal("/services/new", (await (await fresh.SendAsync(HttpMethod.Get, Path, cookies: admin.Cookies)).PageAsync()).QuerySelector(".empty a")!.GetAttribute("href"));
        foreach (var id in new[] { "nonsense", Guid.NewGuid().ToString() })
        {
            var gone = await _app.SendAsync(HttpMethod.Get, $"{Path}?id={id}", cookies: _admin.Cookies);
            Assert.Equal(HttpStatusCode.NotFound, gone.StatusCode);
            Assert.Equal(Path, (await gone.PageAsync()).QuerySelector(".notice a")!.GetAttribute("href"));
        }
    }

    [Fact]
    public async Task It_is_for_admins_and_stands_last_among_their_places()
    {
        var user = await _app.SignUpAsync();
        Assert.StartsWith("/account/sign-in?returnUrl=", (await _app.SendAsync(HttpMethod.Get, Path)).Location(), StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.Forbidden, (await _app.SendAsync(HttpMethod.Get, Path, cookies: user.Cookies)).StatusCode);
        Assert.Equal(HttpStatusCode.Forbidden, (await _app.PostFormAsync(Path, "drill", [], user.Cookies)).StatusCode);
        Assert.Equal((Path, "page"), (await PageAsync(Path)).QuerySelectorAll(".side a")[^1] is var last ? (last.GetAttribute("href"), last.GetAttribute("aria-current")) : default);
        var german = await (await _app.SendAsync(HttpMethod.Get, Path, cookies: _admin.Cookies, headers: ("Accept-Language", "de"))).PageAsync();
        Assert.Equal("Probealarm", german.QuerySelector("h1")!.TextContent);
    }

    [Theory]
    [InlineData("billing refused it within 34 ms.", 1, "billing applied 0.034")]
    [InlineData("All 2 services refused it within 1 s.", 1, "billing applied 0.034", "orders applied 1")]
    [InlineData("All 3 services refused it within 1.2 s. shop and orders were later than the target of 1 s, the slowest by 200 ms.", 2, "billing applied 0.034", "orders applied 1.1", "shop applied 1.2")]
    [InlineData("All 2 services refused it within 1.2 s. orders was 200 ms later than the target of 1 s.", 2, "billing applied 0.034", "orders applied 1.2")]
    [InlineData("All 2 services refused it within 34 ms. Not in contact, and not waited for: shop.", 1, "billing applied 0.034", "orders applied", "shop silent")]
    [InlineData("Every service in contact refuses it. How long that took can’t be said any more.", 100, "billing applied")]
    [InlineData("No service was in contact, so there was nobody to time. Not in contact, and not waited for: shop.", 1, "shop silent", "orders left")]
    [InlineData("Waiting for billing.", 1, "billing waiting 1")]
    [InlineData("Refusing it so far: 1 of 2 services.", 1, "billing waiting 1", "orders applied 0.01")]
    [InlineData("billing hasn’t answered after 5 s: it is 12 s behind.", 6, "billing waiting 12", "orders applied 0.01")]
    [InlineData("shop and billing haven’t answered after 5 s; the farthest is 12 s behind.", 6, "billing waiting 6", "shop waiting 12", "orders applied 0.01")]
    [InlineData("shop, billing and 1 more haven’t answered after 5 s; the farthest is 12 s behind.", 6, "a waiting 6", "billing waiting 7", "shop waiting 12")]
    [InlineData("billing was told, and didn’t take the event.", 1, "billing refused", "orders applied 0.01")]
    [InlineData("No answer from billing within 60 s. Nobody is waited for any longer; reload the page to see who has answered since.", 100, "billing waiting 112")]
    [InlineData("No answer from billing within 60 s. Nobody is waited for any longer; reload the page to see who has answered since. orders was 1 s later than the target of 1 s.", 100, "billing waiting 112", "orders applied 2")]
    [InlineData("billing refused it within 67 s. billing was 66 s later than the target of 1 s.", 100, "billing applied 67")]
    public void The_verdict_is_a_sentence_or_two(string verdict, int age, params string[] answers)
    {
        var at = DateTimeOffset.UnixEpoch;
        var drill = Of(at, age, answers);
        Assert.Equal(verdict, DrillWords.Verdict(drill, at.AddSeconds(age)).Replace('\u00a0', ' '));
    }

    [Fact] // a busy log keeps few acknowledgements
    public void What_an_earlier_look_has_seen_is_still_known_at_a_later_one()
    {
        var at = DateTimeOffset.UnixEpoch;
        var first = DrillView.Of(Guid.NewGuid(), 1, at, [("billing", new("", "applied", 0.03, null, at)), ("orders", new("", "waiting", null, 1, at))], [], at, Target);
        var later = DrillView.Of(first.Id, 1, at, [("billing", new("", "applied", null, null, at)), ("orders", new("", "applied", 0.2, null, at))], [], at, Target).Remembering(first, at);
        Assert.Equal((0.03, 0.2, 0.03), (later.P50Seconds!.Value, later.MaxSeconds!.Value, later.Services[0].Seconds!.Value));
    }

    [Theory]
    [InlineData("nobody", null, 0, null, 1, "shop silent", "orders left")]
    [InlineData("within", 1.0, 0, null, 1, "billing applied 0.5", "orders applied 1", "shop silent")]
    [InlineData("within", null, 0, null, 9, "billing applied")] // nobody knows
    [InlineData("late", 3.0, 2, "orders", 9, "billing applied 1.001", "orders applied 3", "shop applied 0.1")]
    [InlineData("behind", 61.0, 2, "shop", 61, "orders applied 3", "shop waiting 70", "billing applied 0.1")]
    [InlineData("behind", 61.0, 1, "orders", 61, "orders refused")]
    [InlineData(null, null, 0, null, 59, "orders waiting 59")]
    public void What_comes_of_a_drill_is_said_against_its_target_and_is_read_as_it_was_written(string? word, double? seconds, int late, string? service, int age, params string[] answers)
    {
        var at = DateTimeOffset.UnixEpoch;
        var drill = Of(at, age, answers);
        var outcome = DrillOutcome.Of(drill, at.AddSeconds(age));
        Assert.Equal(word is null ? null : new DrillOutcome(word, seconds, late, service), outcome);
        if (outcome is not null) Assert.Equal(outcome, DrillOutcome.Read(outcome.Write()));
        Assert.Null(DrillOutcome.Read(DrillOutcome.Canary));
        Assert.Equal("Fire-drill", App.Sessions.Device.Parse(outcome?.Write() ?? DrillOutcome.Canary).Browser);
    }

    [Fact]
    public void Whether_a_service_is_late_is_said_once_it_is_known()
    {
        Assert.Equal([false, null, null, null, null], Of(DateTimeOffset.UnixEpoch, 1, "a applied 1", "b applied", "c waiting 1", "d silent", "e refused").Services.Select(s => s.Late));
        var later = Of(DateTimeOffset.UnixEpoch, 2, "a applied 1", "b applied 1.01", "c waiting 1", "d silent", "e refused");
        Assert.Equal([false, true, true, null, true], later.Services.Select(s => s.Late));
        Assert.Equal((3, 1.0), (later.Late, later.TargetSeconds));
    }

    private static DrillView Of(DateTimeOffset at, int age, params string[] answers) => DrillView.Of(Guid.NewGuid(), 1, at, answers.Select(a => a.Split(' ') is [var service, var state, .. var number]
        ? (service, new DrillInstance("", state, state == "applied" ? Number(number) : null, state == "waiting" ? Number(number) : null, at)) : default), [], at.AddSeconds(age), Target);

    private static double? Number(string[] text) => text is [var one] ? double.Parse(one, System.Globalization.CultureInfo.InvariantCulture) : null;

    private static string Words(IElement element) => string.Join(' ', element.TextContent.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));

    private static List<(string Name, string Verdict)> Bars(IDocument page) => [.. page.QuerySelectorAll(".told .lane:not(.scale)").Select(l => (l.QuerySelector("b")!.TextContent, l.QuerySelector(".verdict")!.TextContent.Replace('\u00a0', ' ')))];

    private async Task<IDocument> PageAsync(string path)
    {
        var answer = await _app.SendAsync(HttpMethod.Get, path, cookies: _admin.Cookies);
        Assert.True(answer.StatusCode == HttpStatusCode.OK, $"{path}: {(int)answer.StatusCode}");
        return await answer.PageAsync();
    }

    private async Task AckAsync(string service, long cursor, string? instance = null)
    {
        Assert.Equal(HttpStatusCode.NoContent, (await Feed.PostAsync(_app, "/events/ack", new { cursor, instance }, service)).StatusCode);
        await _app.Get<FeedContacts>().WriteAsync(CancellationToken.None);
    }
}
