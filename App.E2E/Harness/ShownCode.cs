using System.Net;
using System.Text.RegularExpressions;

namespace App.E2E.Harness;

/// <summary>What a service's page shows to be copied, exactly as a reader would take it along.</summary>
/// <param name="Files">Text by name.</param>
/// <param name="Setup">Commands that come before them.</param>
/// <param name="Run">The command that starts the service on port 3000.</param>
/// <param name="Seen">Whether the page says that the service has called.</param>
internal sealed partial record ShownCode(IReadOnlyDictionary<string, string> Files, string Setup, string Run, bool Seen)
{
    /// <param name="cookies">Of an admin.</param>
    public static async Task<ShownCode> ReadAsync(Service gatehouse, string cookies, string service, string? code = null)
    {
        using var answer = await gatehouse.Client.SendAsync(HttpMethod.Get, $"/services/{service}/connect{(code is null ? "" : "?code=" + code)}", cookie: cookies);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        var html = await answer.Content.ReadAsStringAsync();
        var shown = Block().Matches(html).Select(m => (Id: m.Groups["id"].Value, Name: m.Groups["name"].Value, Text: WebUtility.HtmlDecode(m.Groups["text"].Value))).ToList();
        return new(
            shown.Where(b => b.Id.StartsWith("file-", StringComparison.Ordinal)).ToDictionary(b => b.Name, b => b.Text),
            shown.SingleOrDefault(b => b.Id == "setup").Text ?? "", shown.SingleOrDefault(b => b.Id == "run").Text ?? "", html.Contains("<b>Seen.", StringComparison.Ordinal));
    }

    /// <summary>Puts the files into a folder, and beside them the verifier that the commands fetch.</summary>
    public async Task WriteAsync(string folder, Service gatehouse)
    {
        foreach (var (name, text) in Files) await File.WriteAllTextAsync(Path.Combine(folder, name), text);
        foreach (Match fetch in Fetch().Matches(Setup))
        {
            Assert.StartsWith(gatehouse.Address, fetch.Groups["url"].Value, StringComparison.Ordinal);
            var path = Path.Combine(folder, fetch.Groups["path"].Value);
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            await File.WriteAllTextAsync(path, await gatehouse.Client.GetStringAsync(fetch.Groups["url"].Value));
        }
    }

    [GeneratedRegex("""<figure class="code">\s*<figcaption><code>(?<name>[^<]*)</code>.*?<code id="(?<id>[^"]*)">(?<text>[^<]*)</code></pre>""", RegexOptions.Singleline)]
    private static partial Regex Block();

    [GeneratedRegex("^curl .*-o (?<path>[^ ]+) (?<url>[^ \n]+)$", RegexOptions.Multiline)]
    private static partial Regex Fetch();
}
