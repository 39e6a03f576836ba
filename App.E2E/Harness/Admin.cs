using System.Net;
using System.Net.Http.Json;
using System.Text.Json.Nodes;

namespace App.E2E.Harness;

/// <summary>Somebody who looks after services, made on the command line as the README says.</summary>
internal sealed record Admin(Person Person, Service Gatehouse, Credentials Credentials)
{
    public static async Task<Admin> NewAsync(Service gatehouse)
    {
        var person = Person.New("admin");
        await gatehouse.Client.SignUpAsync(person);
        await GrantAsync(gatehouse, person);
        using var answer = await gatehouse.Client.PostSignInAsync(person);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        return new(person, gatehouse, Credentials.From(answer));
    }

    public static async Task GrantAsync(Service gatehouse, Person person)
    {
        var (exit, output) = await Tool.TryRunAsync(await gatehouse.CommandAsync("users", "grant", person.Email, "admin"), TimeSpan.FromMinutes(1));
        Assert.True(exit == 0, output);
    }

    /// <returns>The secret of the new service.</returns>
    public async Task<string> AddServiceAsync(string id, string trust)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/api/admin/services") { Content = JsonContent.Create(new { id, trust }), Headers = { Authorization = new("Bearer", Credentials.AccessToken) } };
        using var answer = await Gatehouse.Client.SendAsync(request);
        Assert.Equal(HttpStatusCode.Created, answer.StatusCode);
        var secret = (await answer.Content.ReadFromJsonAsync<JsonNode>())!["client_secret"]!.GetValue<string>();
        TestRun.Secrets[secret] = "a service's secret";
        return secret;
    }
}
