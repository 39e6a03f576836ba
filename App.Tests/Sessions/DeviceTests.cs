using App.Sessions;

namespace App.Tests.Sessions;

public sealed class DeviceTests
{
    [Theory]
    [InlineData("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36", "Chrome", "Windows", "desktop")]
    [InlineData("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36 Edg/141.0.0.0", "Edge", "Windows", "desktop")]
    [InlineData("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36 OPR/120.0.0.0", "Opera", "Linux", "desktop")]
    [InlineData("Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0", "Firefox", "Linux", "desktop")]
    [InlineData("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.0 Safari/605.1.15", "Safari", "macOS", "desktop")]
    [InlineData("Mozilla/5.0 (X11; CrOS x86_64 16181.61.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36", "Chrome", "ChromeOS", "desktop")]
    [InlineData("Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.0 Mobile/15E148 Safari/604.1", "Safari", "iPhone", "phone")]
    [InlineData("Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/141.0.0.0 Mobile/15E148 Safari/604.1", "Chrome", "iPhone", "phone")]
    [InlineData("Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) FxiOS/143.0 Mobile/15E148 Safari/605.1.15", "Firefox", "iPhone", "phone")]
    [InlineData("Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.0 EdgiOS/141.0.0.0 Mobile/15E148 Safari/604.1", "Edge", "iPhone", "phone")]
    [InlineData("Mozilla/5.0 (iPad; CPU OS 15_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/15.0 Mobile/15E148 Safari/604.1", "Safari", "iPad", "phone")]
    [InlineData("Mozilla/5.0 (Linux; Android 16; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Mobile Safari/537.36", "Chrome", "Android", "phone")]
    [InlineData("Mozilla/5.0 (Linux; Android 16; SM-S931B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36", "Samsung Internet", "Android", "phone")]
    [InlineData("Mozilla/5.0 (Mobile; rv:48.0) Gecko/48.0 KAIOS/3.1", "A browser", "an unknown system", "phone")]
    [InlineData("Mozilla/5.0", "A browser", "an unknown system", "desktop")]
    [InlineData("curl/8.5.0", "curl", "", "program")]
    [InlineData("PostmanRuntime/7.43.0", "PostmanRuntime", "", "program")]
    [InlineData("python-requests/2.32", "python-requests", "", "program")]
    [InlineData("node", "node", "", "program")]
    [InlineData("okhttp 4", "okhttp", "", "program")]
    [InlineData("", "A program", "", "program")]
    [InlineData("/1.0", "A program", "", "program")]
    [InlineData("<script>alert(1)</script>", "A program", "", "program")]
    [InlineData("mozilla/5.0 (Windows NT 10.0)", "mozilla", "", "program")]
    [InlineData("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/1", "A program", "", "program")]
    public void A_user_agent_reads_as_a_person_would_say_it(string agent, string browser, string os, string kind) =>
        Assert.Equal(new Device(browser, os, kind), Device.Parse(agent));
}
