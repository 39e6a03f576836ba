using System.Reflection;
using System.Reflection.Emit;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using AngleSharp.Dom;
using AngleSharp.Html.Parser;
using Microsoft.AspNetCore.Components;

namespace App.Tests.Frame;

/// <summary>Whatever a person reads stands in <c>App/&lt;Slice&gt;/Text.resx</c> and, in German, in <c>Text.de.resx</c> beside it.</summary>
public sealed partial class TextTests
{
    /// <summary>Slices whose texts haven't moved yet.</summary>
    private static readonly string[] NotYet = [];

    private static readonly string[] HumanAttributes = ["title", "aria-label", "placeholder", "alt", "label"];
    private static readonly string[] NoLanguage = ["code", "pre", "script"];
    private static readonly Assembly App = typeof(Program).Assembly;

    /// <summary>Written by a verb and read by people all the same.</summary>
    private static readonly string[] AlsoRead = ["Refusal", "SessionWords", "ActivityWords", "RecoveryLetters", "ProfileLetters", "FactorChange", "LetterPaper", "DevMail", "LabWords", "LabChart", "DrillWords", "TokenWords", "DashboardWords"];

    /// <summary>Strings that look like words and are commands, styles, formats or for whoever reads a stack trace; by how they begin.</summary>
    private static readonly string[] NotRead =
    [
        "curl -", "/.well-known/public-key.pem)", "username webauthn", "plain wide", "Found", "UTC", "yyyy-MM-dd HH", "max-width:", "default-src ", "text/html;", "No such change.",
        "/api/users/signup", "dotnet run -", "example.test admin", "export Proxy__", "axis many",
    ];

    public static TheoryData<string> Slices => [.. Directory.GetFiles(Repository.PathOf("App"), "Text.resx", SearchOption.AllDirectories)
        .Where(f => !f.Split(Path.DirectorySeparatorChar).Any(part => part is "bin" or "obj")).Select(f => Path.GetFileName(Path.GetDirectoryName(f)!)).Order()];

    [Theory]
    [MemberData(nameof(Slices))]
    public void Both_languages_have_the_same_texts_with_the_same_places(string slice)
    {
        var (english, german) = (Read(slice, "Text.resx"), Read(slice, "Text.de.resx"));
        Assert.Equal(english.Keys, german.Keys);
        Assert.All(english, text => Assert.Equal(Places(text.Value), Places(german[text.Key])));
        Assert.DoesNotContain(english.Concat(german), text => string.IsNullOrWhiteSpace(text.Value));
    }

    [Theory]
    [MemberData(nameof(Slices))]
    public void Every_text_is_in_use(string slice)
    {
        var used = Sources().SelectMany(source =>
        {
            var names = Alias().Matches(source.Text).Where(m => m.Groups["slice"].Value == slice).Select(m => m.Groups["name"].Value)
                .Concat(source.Folder == slice ? ["Text"] : [$"{slice}\\.Text"]);
            return names.SelectMany(name => Regex.Matches(source.Text, $@"\b{name}\.(\w+)")).Select(m => m.Groups[1].Value);
        }).ToHashSet();
        Assert.Equal([], Read(slice, "Text.resx").Keys.Where(key => !used.Contains(key)));
    }

    // What the Razor compiler made of a page is exact where its source would have to be guessed at: every string that its code can come to say.
    [Fact]
    public void No_page_says_what_is_not_in_the_resources()
    {
        var strays = App.GetTypes()
            .Where(t => Outermost(t) is var page && (typeof(IComponent).IsAssignableFrom(page) || AlsoRead.Contains(page.Name)) && !NotYet.Contains(page.Namespace))
            .SelectMany(t => t.GetMethods(BindingFlags.DeclaredOnly | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Static | BindingFlags.Instance))
            .SelectMany(method => Words(Strings(method)).Select(words => $"{Outermost(method.DeclaringType!).FullName}: \"{words}\" belongs in Text.resx"))
            .Distinct().ToList();
        Assert.True(strays.Count == 0, string.Join('\n', strays));
    }

    /// <summary>A page shows the faults that a verb found, so each has words beside its literal for programs. Those of routes that no page calls need none.</summary>
    [Fact]
    public void A_fault_that_pages_show_has_words_for_people() => Assert.Equal([], Sources()
        .Where(s => s.Folder is "Passwords" or "Factors" or "Accounts" or "Recovery" or "Profile" && s.Name is not "SignInSecondStep.cs")
        .SelectMany(s => LiteralFault().Matches(s.Text).Select(m => $"App/{s.Folder}/{s.Name}: {m.Value} needs its words: () => Text.…")));

    [Theory]
    [InlineData("<p>Sign in</p>", "Sign in")]
    [InlineData("<button aria-label=\"Close\">×</button>", "Close")]
    [InlineData("Two words", "Two words")]
    [InlineData("Ending…", "Ending…")]
    [InlineData("<pre><code>curl -b jar</code></pre>", null)]
    [InlineData("<p> · </p>", null)]
    [InlineData("/account/sign-in", null)]
    public void The_search_knows_words_when_it_sees_them(string text, string? found) => Assert.Equal(found is null ? [] : [found], Words([text]));

    private static IEnumerable<string> Words(List<string> strings)
    {
        for (var i = 0; i < strings.Count; i++)
        {
            var text = strings[i];
            if (IsNotRead(text)) continue;
            if (text.Contains('<', StringComparison.Ordinal))
            {
                foreach (var words in InMarkup(text)) yield return words;
            }
            // What stands after the name of an attribute for machines is for machines.
            else if (Prose().IsMatch(text) && !MemberNames.Value.Contains(text) && (i == 0 || strings[i - 1] is not "class"))
            {
                yield return text;
            }
        }
    }

    private static bool IsNotRead(string text) => Array.Exists(NotRead, start => text.StartsWith(start, StringComparison.Ordinal));

    private static IEnumerable<string> InMarkup(string html)
    {
        var body = new HtmlParser().ParseDocument("<body>" + html).Body!;
        var texts = body.Descendants<IText>().Where(t => !t.Ancestors<IElement>().Any(e => NoLanguage.Contains(e.LocalName))).Select(t => t.Data);
        var attributes = body.QuerySelectorAll("*").SelectMany(e => HumanAttributes.Select(e.GetAttribute).OfType<string>());
        return texts.Concat(attributes).Select(t => t.Trim()).Where(t => t.Any(char.IsLetter) && !IsNotRead(t));
    }

    private static List<string> Strings(MethodInfo method)
    {
        var strings = new List<string>();
        if (method.GetMethodBody()?.GetILAsByteArray() is not { } il) return strings;
        for (var at = 0; at < il.Length;)
        {
            var code = il[at] == 0xFE ? TwoBytes[il[at + 1]] : OneByte[il[at]];
            at += code.Size;
            if (code == OpCodes.Ldstr) strings.Add(method.Module.ResolveString(BitConverter.ToInt32(il, at)));
            at += code.OperandType switch
            {
                OperandType.InlineNone => 0,
                OperandType.ShortInlineBrTarget or OperandType.ShortInlineI or OperandType.ShortInlineVar => 1,
                OperandType.InlineVar => 2,
                OperandType.InlineI8 or OperandType.InlineR => 8,
                OperandType.InlineSwitch => 4 + (4 * BitConverter.ToInt32(il, at)),
                _ => 4,
            };
        }
        return strings;
    }

    private static readonly OpCode[] OneByte = Codes(size: 1), TwoBytes = Codes(size: 2);

    private static OpCode[] Codes(int size)
    {
        var codes = new OpCode[256];
        foreach (var code in typeof(OpCodes).GetFields().Select(f => (OpCode)f.GetValue(null)!).Where(c => c.Size == size)) codes[code.Value & 0xFF] = code;
        return codes;
    }

    // Names of parameters that the compiler hands over as strings.
    private static readonly Lazy<HashSet<string>> MemberNames = new(() =>
        [.. App.GetTypes().Where(typeof(IComponent).IsAssignableFrom).SelectMany(t => t.GetProperties(BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance)).Select(p => p.Name)]);

    private static Type Outermost(Type type) => type.DeclaringType is { } outer ? Outermost(outer) : type;

    private static Dictionary<string, string> Read(string slice, string file) => XDocument.Load(Repository.PathOf("App", slice, file)).Root!
        .Elements("data").ToDictionary(d => d.Attribute("name")!.Value, d => d.Element("value")!.Value);

    private static IEnumerable<string> Places(string text) => Place().Matches(text).Select(m => m.Value).Distinct().Order();

    private static IEnumerable<(string Folder, string Name, string Text)> Sources() =>
        from file in Directory.EnumerateFiles(Repository.PathOf("App"), "*", SearchOption.AllDirectories)
        where Path.GetExtension(file) is ".cs" or ".razor"
        let parts = Path.GetRelativePath(Repository.PathOf("App"), file).Split(Path.DirectorySeparatorChar)
        where parts.Length == 2 && parts[0] is not ("bin" or "obj")
        select (parts[0], parts[1], File.ReadAllText(file));

    [GeneratedRegex(@"\{\d(:[^}]*)?\}")]
    private static partial Regex Place();

    [GeneratedRegex(@"using (?<name>\w+) = App\.(?<slice>\w+)\.Text\b")]
    private static partial Regex Alias();

    // A capital with small letters after it, or two words.
    [GeneratedRegex(@"^\s*\p{Lu}\p{Ll}+…?[.!?:]?\s*$|\p{L}[,.:;]? \p{L}")]
    private static partial Regex Prose();

    [GeneratedRegex("""(?<!Problems\.Invalid\(\[)new Fault\("[^"]*"(, "\w+")?\)""")]
    private static partial Regex LiteralFault();
}
