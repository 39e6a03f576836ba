using System.ComponentModel.DataAnnotations;
using App.Ops;
using App.Shared;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;

namespace App.Tests.Ops;

public class SettingsCheckTests
{
    [Theory]
    [InlineData("Demo:Lifetime=soon", "Demo:Lifetime is \"soon\", which isn't a length of time. Give 00:00:30 to 01:00:00.")]
    [InlineData("Demo:Lifetime=300", "Demo:Lifetime is \"300\", which is out of bounds. Give 00:00:30 to 01:00:00.")]
    [InlineData("Demo:Size=0", "Demo:Size is \"0\", which is out of bounds. Give 1 to 10.")]
    [InlineData("Demo:Size=many", "Demo:Size is \"many\", which isn't a whole number. Give 1 to 10.")]
    [InlineData("Demo:Size=99999999999", "Demo:Size is \"99999999999\", which isn't a whole number. Give 1 to 10.")]
    [InlineData("Demo:On=yes", "Demo:On is \"yes\". Give true or false.")]
    [InlineData("Demo:Colour=Pink", "Demo:Colour is \"Pink\". Give Red or Green.")]
    [InlineData("Demo:Colour=7", "Demo:Colour is \"7\". Give Red or Green.")]
    [InlineData("Demo:Home=nowhere", "Demo:Home is \"nowhere\", which is out of bounds. Give an http or https URL.")]
    [InlineData("Demo:Sise=3", "Demo:Sise is no setting. Did you mean Demo:Size?")]
    [InlineData("Demo:Inner:Dept=3", "Demo:Inner:Dept is no setting. Did you mean Demo:Inner:Depth?")]
    [InlineData("Demo:Inner:Depth=9", "Demo:Inner:Depth is \"9\", which is out of bounds. Give 0 to 5.")]
    [InlineData("Demo:Inner=9", "Demo:Inner is \"9\", but it is a group of settings: Demo:Inner:Depth.")]
    [InlineData("Demo:Names=ada", "Demo:Names is \"ada\", but it is a list. Give Demo:Names:0, Demo:Names:1, … one value each.")]
    [InlineData("Demo:Size:Big=1", "Demo:Size is one value, not a group of them. Give 1 to 10.")]
    [InlineData("Demo:People:0:Agge=1", "Demo:People:0:Agge is no setting. Did you mean Demo:People:0:Age?")]
    [InlineData("Demo:People:0:Age=old", "Demo:People:0:Age is \"old\", which isn't a whole number. Give 0 to 150.")]
    [InlineData("Demo:People:0:Age=13", "Demo:People:0:Age is \"13\": brings bad luck")]
    [InlineData("Dmeo:Size=3", "Dmeo is no setting. Did you mean Demo?")]
    [InlineData("Demo:Size=1\n2", "Demo:Size is \"1 2\", which isn't a whole number. Give 1 to 10.")]
    public void A_fault_names_the_key_the_value_and_the_cure(string setting, string line) => Assert.Equal([line], FaultsOf(setting));

    [Theory]
    [InlineData("#5b2a86", "#c9a6ec", null, null)]
    [InlineData("#1d6b57", "#6fcfb3", null, null)]
    [InlineData("purple", "#c9a6ec", null, "Brand:Accent is \"purple\", which is out of bounds.")]
    [InlineData("#5b2a86", null, null, "Brand:AccentDark isn't set, and the other accent is")]
    [InlineData("#ffcc00", "#c9a6ec", null, "Brand:Accent is \"#ffcc00\": its contrast with what is around it is 1.3, and 4.5 is needed")]
    [InlineData("#5b2a86", "#5b2a86", null, "Brand:AccentDark is \"#5b2a86\": its contrast")]
    [InlineData(null, null, "no/such/file.svg", "Brand:Logo is \"no/such/file.svg\": isn't a file")]
    [InlineData(null, null, "too large", "isn't a file of at most 64 KB")]
    [InlineData(null, null, "a page", "is neither an SVG nor a PNG")]
    public void A_brand_is_readable_and_its_logo_a_picture(string? accent, string? dark, string? logo, string? fault)
    {
        if (logo is "a page" or "too large")
        {
            var text = "<html></html>".PadRight(logo is "a page" ? 20 : 70_000);
            File.WriteAllText(logo = Path.GetTempFileName(), text);
        }

        var configuration = new ConfigurationBuilder().AddInMemoryCollection(
            new Dictionary<string, string?> { ["Brand:Accent"] = accent, ["Brand:AccentDark"] = dark, ["Brand:Logo"] = logo }.Where(s => s.Value is not null)).Build();
        var (_, faults) = SettingsCheck.Read<Brand>(configuration, "Brand");
        if (fault is null) Assert.Empty(faults);
        else Assert.Contains(fault, Assert.Single(faults), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("https://help.example", true)]
    [InlineData("http://localhost:8080/help?x=1", true)]
    [InlineData("", true)]
    [InlineData("/help", false)]
    [InlineData("javascript:alert(1)", false)]
    public void A_link_at_the_foot_leads_to_the_web(string url, bool good)
    {
        var configuration = new ConfigurationBuilder().AddInMemoryCollection([new("Brand:HelpUrl", url), new("Brand:PrivacyUrl", url)]).Build();
        var (_, faults) = SettingsCheck.Read<Brand>(configuration, "Brand");
        Assert.Equal(good ? [] : [$"Brand:HelpUrl is \"{url}\": isn't an absolute http or https URL", $"Brand:PrivacyUrl is \"{url}\": isn't an absolute http or https URL"], faults);
    }

    [Fact]
    public void All_faults_of_all_sections_come_at_once()
    {
        var faults = FaultsOf("Demo:Size=0", "Demo:Lifetime=soon", "Other:Key=", "Demo:Nmaes:0=x", "Rule=broken");

        Assert.Equal(5, faults.Count);
        Assert.Contains("Other:Key isn't set. Give it a value, or leave it out for its default.", faults);
        Assert.Contains("The rule is broken.", faults);
    }

    // MAIL=/var/mail/ada is in the environment of whoever signs in to a machine.
    [Theory]
    [InlineData("DEMO", "/var/mail/ada", new string[0])]
    [InlineData("DEMO", "9", new[] { "Demo is \"9\", but it is a group of settings: " })]
    [InlineData("DEMO__SIZE", "/var/mail/ada", new[] { "Demo:Size is \"/var/mail/ada\", which isn't a whole number. Give 1 to 10." })]
    public void A_path_in_a_variable_of_one_word_that_names_a_group_is_another_program_s(string name, string value, string[] faults)
    {
        Environment.SetEnvironmentVariable(name, value);
        try
        {
            using var services = ServicesOf(builder => builder.AddEnvironmentVariables());
            Assert.Equal(faults, SettingsCheck.Faults(services).Select((f, i) => f[..Math.Min(f.Length, faults[i].Length)]));
            if (faults.Length == 0) Assert.Equal(new Demo().Size, services.GetRequiredService<Demo>().Size);
        }
        finally
        {
            Environment.SetEnvironmentVariable(name, null);
        }
    }

    [Fact]
    public void A_secret_is_never_printed()
    {
        var fault = Assert.Single(FaultsOf("Demo:MasterKey=hunter2"));

        Assert.Equal("Demo:MasterKey is set to a secret, which is out of bounds. Give at least 32 characters.", fault);
    }

    [Theory] // A file that ends in CR LF, and a variable made of one, look right and are another secret.
    [InlineData("Demo:MasterKey=hunter2hunter2hunter2hunter2hunter2\r")]
    [InlineData("Demo:MasterKey=hunter2hunter2\nhunter2hunter2hunter2")]
    [InlineData("Demo:MasterKey=hunter2hunter2hunter2hunter2hunter2\0")]
    public void A_line_break_in_a_secret_is_named_and_the_secret_is_not(string setting) =>
        Assert.Equal(["Demo:MasterKey is set to a secret that holds a line break or another control character, perhaps at its end. Give it without, here and to whoever else has it."], FaultsOf(setting));

    [Fact]
    public void Around_a_secret_that_is_trimmed_a_line_break_is_no_fault() => Assert.Empty(FaultsOf("Demo:Key=AAAA\r\n"));

    [Fact]
    public void A_fault_is_one_short_line()
    {
        var fault = Assert.Single(FaultsOf($"Demo:Size={new string('9', 5000)}"));

        Assert.True(fault.Length < 200);
    }

    [Fact]
    public void Settings_in_bounds_are_no_fault() => Assert.Empty(FaultsOf(
        "Demo:Size=10", "demo:lifetime=00:05:00", "Demo:Names:0=a", "Demo:Names:1=b", "Demo:Colour=green", "Demo:Inner:Depth=2", "Demo:People:0:Age=40", "PATH=/bin"));

    [Fact]
    public void A_list_that_is_set_replaces_the_default_one()
    {
        using var services = ServicesOf("Demo:Names:0=a");

        Assert.Equal(["a"], services.GetRequiredService<Demo>().Names);
        using var untouched = ServicesOf();
        Assert.Equal(["ada", "bob"], untouched.GetRequiredService<Demo>().Names);
    }

    [Fact]
    public void An_open_section_tolerates_other_keys() => Assert.Empty(FaultsOf("Free:Anything=1"));

    [Theory]
    [InlineData("https://id.example.com", true)]
    [InlineData("https://id.example.com/auth", true)]
    [InlineData("http://localhost:5080", true)]
    [InlineData("id.example.com", false)]
    [InlineData("https://id.example.com/", false)]
    [InlineData("https://id.example.com?x=1", false)]
    [InlineData("https://id.example.com#x", false)]
    [InlineData("https://u@id.example.com", false)]
    [InlineData("ftp://id.example.com", false)]
    [InlineData("https://überall.example", false)]
    [InlineData("https://xn--berall-o2a.example", true)]
    [InlineData("https://id.example.com/über", false)]
    [InlineData("https://id.example.com ", false)] // as a file of variables keeps it
    [InlineData("https://id.example.com\r", false)]
    [InlineData("https://id.example.com/ ", false)]
    [InlineData("\thttps://id.example.com", false)]
    [InlineData("https://id.example.com/a b", false)]
    [InlineData("https:\\\\id.example.com", false)]
    [InlineData("", false)]
    public void The_issuer_is_a_bare_base_url(string issuer, bool good)
    {
        var settings = new HostSettings { Issuer = issuer };

        Assert.Equal(good, !settings.Validate(new ValidationContext(settings)).Any());
    }

    [Theory]
    [InlineData("http://localhost:5080;https://*:5443", true)]
    [InlineData("http://127.0.0.1:0;http://[::1]:0", true)]
    [InlineData("http://unix:/run/gatehouse.sock", true)]
    [InlineData("http://localhost:0", false)] // it is two addresses, which would get two ports
    [InlineData("https://LOCALHOST:0", false)]
    [InlineData("ftp://localhost:5080", false)]
    public void What_is_listened_on_is_an_address_that_the_server_knows(string urls, bool good)
    {
        var settings = new HostSettings { Urls = urls };

        Assert.Equal(good, !settings.Validate(new ValidationContext(settings)).Any());
    }

    [Fact]
    public void A_pipe_is_listened_on_where_there_are_any()
    {
        var settings = new HostSettings { Urls = "http://pipe:/gatehouse" };

        Assert.Equal(OperatingSystem.IsWindows(), !settings.Validate(new ValidationContext(settings)).Any());
    }

    [Fact]
    public void A_logo_that_cannot_be_read_is_a_fault_like_any_other()
    {
        var file = Path.GetTempFileName();
        using var held = File.Open(file, FileMode.Open, FileAccess.ReadWrite, FileShare.None);
        var (_, faults) = SettingsCheck.Read<Brand>(new ConfigurationBuilder().AddInMemoryCollection([new("Brand:Logo", file)]).Build(), "Brand");
        Assert.Contains("can't be read", Assert.Single(faults), StringComparison.Ordinal);
    }

    private static IReadOnlyList<string> FaultsOf(params string[] settings)
    {
        using var services = ServicesOf(settings);
        return SettingsCheck.Faults(services);
    }

    private static ServiceProvider ServicesOf(params string[] settings) => ServicesOf(_ => { }, settings);

    private static ServiceProvider ServicesOf(Action<IConfigurationBuilder> also, params string[] settings)
    {
        var builder = new ConfigurationBuilder();
        var pairs = settings.Select(s => s.Split('=', 2)).Select(p => KeyValuePair.Create(p[0], (string?)p[1])).Prepend(new("Other:Key", "x"));
        var services = new ServiceCollection();
        also(builder.AddInMemoryCollection(pairs.DistinctBy(p => p.Key)).AddInMemoryCollection(pairs.Skip(1)));
        services.AddSingleton<IConfiguration>(builder.Build());
        services.AddSettings<Demo>("Demo").AddSettings<Other>("Other").AddSettings<Free>("Free", open: true);
        services.AddSettingsRule(sp => sp.GetRequiredService<IConfiguration>()["Rule"] == "broken" ? ["The rule is broken."] : []);
        services.AddSettingsRule(sp => sp.GetRequiredService<Demo>().Size == 11 ? ["Never."] : []);
        return services.BuildServiceProvider();
    }

    public enum Colour
    {
        Red,
        Green,
    }

    internal sealed class Demo
    {
        [Range(typeof(TimeSpan), "00:00:30", "01:00:00")] public TimeSpan Lifetime { get; set; } = TimeSpan.FromMinutes(5);
        [Range(1, 10)] public int Size { get; set; } = 5;
        public bool On { get; set; }
        public Colour Colour { get; set; }
        [Url] public string? Home { get; set; }
        [Secret, MinLength(32)] public string? MasterKey { get; set; }
        [Secret(Trimmed = true)] public string? Key { get; set; }
        public Inner Inner { get; set; } = new();
        public string[] Names { get; set; } = ["ada", "bob"];
        public List<Person> People { get; } = [];
    }

    internal sealed class Inner
    {
        [Range(0, 5)] public int Depth { get; set; }
    }

    internal sealed class Person : IValidatableObject
    {
        [Range(0, 150)] public int Age { get; set; }

        public IEnumerable<ValidationResult> Validate(ValidationContext validationContext) =>
            Age == 13 ? [new ValidationResult("brings bad luck", [nameof(Age)])] : [];
    }

    internal sealed class Other
    {
        [Required] public string? Key { get; set; }
    }

    internal sealed class Free;
}
