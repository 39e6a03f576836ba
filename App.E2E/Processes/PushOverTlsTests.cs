using System.Net;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using App.E2E.Harness;

namespace App.E2E.Processes;

/// <summary>Events are pushed over TLS to whoever can show who they are, and to nobody else.</summary>
[Collection("Push over TLS")]
public sealed class PushOverTlsTests
{
    [Fact]
    public async Task Only_a_receiver_with_a_good_certificate_is_told_anything_and_of_the_others_it_is_said_why()
    {
        using var ours = TlsReceiver.NewAuthority("Ours");
        using var strangers = TlsReceiver.NewAuthority("Strangers");
        var trusted = Path.Combine(TestRun.NewFolder("authority"), "ca.pem");
        await File.WriteAllTextAsync(trusted, ours.ExportCertificatePem());
        var (nextWeek, yesterday) = (DateTimeOffset.UtcNow.AddDays(7), DateTimeOffset.UtcNow.AddDays(-1));
        await using var good = new TlsReceiver(TlsReceiver.NewCertificate(ours, "localhost", nextWeek));
        await using var unknown = new TlsReceiver(TlsReceiver.NewCertificate(strangers, "localhost", nextWeek));
        await using var elsewhere = new TlsReceiver(TlsReceiver.NewCertificate(ours, "orders.example", nextWeek));
        await using var expired = new TlsReceiver(TlsReceiver.NewCertificate(ours, "localhost", yesterday));
        (string Id, TlsReceiver Receiver)[] services = [("good", good), ("unknown", unknown), ("elsewhere", elsewhere), ("expired", expired)];

        await using var gatehouse = await Service.StartAsync(null,
        [
            ("SSL_CERT_FILE", trusted), ("Events__Push__AllowPrivateNetworks", "true"),
            .. services.SelectMany((service, number) => new[]
            {
                ($"Services__{number}__Id", service.Id), ($"Services__{number}__Secret", $"{service.Id}-{Guid.NewGuid():N}"), ($"Services__{number}__PushUrl", service.Receiver.Url),
            }),
        ]);
        var admin = await Admin.NewAsync(gatehouse);
        var credentials = await gatehouse.Client.SignUpAsync(Person.New());
        using var ended = await gatehouse.Client.SendAsync(HttpMethod.Post, "/api/users/signout", cookie: credentials.CookieHeader);
        Assert.Equal(HttpStatusCode.OK, ended.StatusCode);

        // The role of the admin was an event too.
        await UntilAsync(() => Task.FromResult(good.Got.Count == 2));
        var claims = Credentials.Claims(good.Got.Last());
        Assert.Equal(Credentials.Claims(credentials.AccessToken)["sid"]!.GetValue<string>(), claims["sub_id"]!["session"]!["id"]!.GetValue<string>());
        Assert.Null((await PushAsync(admin, "good"))["lastError"]);
        foreach (var (id, receiver) in services[1..])
        {
            await UntilAsync(async () => (await PushAsync(admin, id))["lastError"]?.GetValue<string>() == "has no certificate that we trust");
            Assert.True(receiver.Dials > 0);
            Assert.Empty(receiver.Got);
        }
    }

    private static async Task<JsonNode> PushAsync(Admin admin, string id)
    {
        using var answer = await admin.Gatehouse.Client.SendAsync(HttpMethod.Get, $"/api/admin/services/{id}", bearer: admin.Credentials.AccessToken);
        return (await answer.EnsureSuccessStatusCode().Content.ReadFromJsonAsync<JsonNode>())!["push"]!;
    }

    private static async Task UntilAsync(Func<Task<bool>> holds)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        while (!await holds()) await Task.Delay(20, limit.Token);
    }
}
