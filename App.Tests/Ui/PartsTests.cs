using App.Shared;
using App.Ui;
using Bunit;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;

namespace App.Tests.Ui;

public sealed class PartsTests : IDisposable
{
    private static readonly DateTimeOffset Noon = new(2026, 11, 23, 12, 0, 0, TimeSpan.Zero);
    private readonly BunitContext _page = new();

    public PartsTests() => _page.Services.AddSingleton<TimeProvider>(new FakeTimeProvider(Noon));

    public void Dispose() => _page.Dispose();

    [Fact]
    public void A_field_is_labelled_and_kept()
    {
        var cut = _page.Render<Field>(p => p.Add(f => f.Label, "E-mail").Add(f => f.Name, "email").Add(f => f.Type, "email")
            .Add(f => f.Value, "ada@example.test").Add(f => f.Autocomplete, "username"));
        var input = cut.Find("input");
        Assert.Equal(input.Id, cut.Find("label").GetAttribute("for"));
        Assert.Equal("ada@example.test", input.GetAttribute("value"));
        Assert.Equal("username", input.GetAttribute("autocomplete"));
        Assert.True(input.HasAttribute("required"));
        Assert.False(input.HasAttribute("aria-invalid"));
        Assert.False(input.HasAttribute("aria-describedby"));
        Assert.Empty(cut.FindAll("[data-peek]"));
    }

    [Fact]
    public void A_fault_and_a_hint_are_read_out_with_their_input()
    {
        var cut = _page.Render<Field>(p => p.Add(f => f.Label, "E-mail").Add(f => f.Name, "email").Add(f => f.Hint, "Where we write to").Add(f => f.Error, "Email must be valid"));
        var input = cut.Find("input");
        Assert.Equal("true", input.GetAttribute("aria-invalid"));
        var described = input.GetAttribute("aria-describedby")!.Split(' ').Select(id => cut.Find("#" + id).TextContent.Trim());
        Assert.Equal(["Email must be valid", "Where we write to"], described);
    }

    [Fact]
    public void A_password_never_comes_back_and_its_switch_waits_for_the_script()
    {
        var cut = _page.Render<Field>(p => p.Add(f => f.Label, "Password").Add(f => f.Name, "password").Add(f => f.Type, "password").Add(f => f.Value, "correct horse battery"));
        Assert.DoesNotContain("correct horse", cut.Markup, StringComparison.Ordinal);
        var peek = cut.Find("button[data-peek]");
        Assert.True(peek.HasAttribute("hidden"));
        Assert.Equal("button", peek.GetAttribute("type"));
        Assert.Equal(cut.Find("input").Id, peek.GetAttribute("data-peek"));
    }

    [Fact]
    public void The_summary_takes_the_focus_and_leads_to_each_field()
    {
        var cut = _page.Render<ErrorSummary>(p => p.Add(s => s.Faults, [new Fault("Email must be valid", "email"), new Fault("Something else")]));
        var box = cut.Find("[role=alert]");
        Assert.True(box.HasAttribute("autofocus"));
        Assert.Equal("-1", box.GetAttribute("tabindex"));
        Assert.Equal("#field-email", cut.Find("a").GetAttribute("href"));
        Assert.Equal(2, cut.FindAll("li").Count);
    }

    [Fact]
    public void Without_faults_there_is_no_summary() =>
        Assert.Equal("", _page.Render<ErrorSummary>(p => p.Add(s => s.Faults, [])).Markup.Trim());

    [Theory]
    [InlineData(0, "just now")]
    [InlineData(-59, "just now")]
    [InlineData(-60, "1 minute ago")]
    [InlineData(-12 * 60 - 30, "12 minutes ago")]
    [InlineData(-3600, "1 hour ago")]
    [InlineData(-26 * 3600, "1 day ago")]
    [InlineData(30, "in a moment")]
    [InlineData(30 * 86400 - 1, "in 29 days")]
    [InlineData(90 * 86400, "in 3 months")]
    [InlineData(-800 * 86400, "2 years ago")]
    public void Times_are_said_as_people_say_them(int seconds, string words)
    {
        var cut = _page.Render<When>(p => p.Add(w => w.At, Noon.AddSeconds(seconds)));
        Assert.Equal(words, cut.Find("time").TextContent);
    }

    [Fact]
    public void The_exact_time_is_there_on_hover()
    {
        var time = _page.Render<When>(p => p.Add(w => w.At, new DateTimeOffset(2026, 11, 23, 12, 30, 5, TimeSpan.FromHours(2)))).Find("time");
        Assert.Equal("2026-11-23T10:30:05Z", time.GetAttribute("datetime"));
        Assert.Equal("23 November 2026, 10:30 UTC", time.GetAttribute("title"));
    }

    [Fact]
    public void A_refusal_is_announced_and_good_news_waits_its_turn()
    {
        Assert.Equal("alert", _page.Render<Notice>(p => p.Add(n => n.Kind, "bad").AddChildContent("No")).Find(".notice").GetAttribute("role"));
        Assert.Equal("status", _page.Render<Notice>(p => p.AddChildContent("Yes")).Find(".notice").GetAttribute("role"));
    }

    [Theory]
    [InlineData("gate"), InlineData("desktop"), InlineData("phone"), InlineData("program"), InlineData("user"), InlineData("clock"), InlineData("alert"), InlineData("check")]
    public void Icons_are_drawn_and_say_nothing(string name)
    {
        var svg = _page.Render<Icon>(p => p.Add(i => i.Name, name)).Find("svg");
        Assert.Equal("true", svg.GetAttribute("aria-hidden"));
        Assert.NotEmpty(svg.Children);
    }
}
