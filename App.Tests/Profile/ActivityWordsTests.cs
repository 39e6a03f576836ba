using System.Globalization;
using App.Audit;
using App.Frame;
using App.Profile;
using App.Tests.Data;
using App.Ui;
using Microsoft.Extensions.DependencyInjection;

namespace App.Tests.Profile;

/// <summary>Whatever the audit may hold, people read it in words: a kind that is new and has none is red here.</summary>
public sealed class ActivityWordsTests(SharedApp shared) : IClassFixture<SharedApp>
{
    [Fact]
    public void Each_kind_of_row_has_words_of_its_own_in_each_language()
    {
        var culture = CultureInfo.CurrentUICulture;
        try
        {
            var said = new List<string>();
            foreach (var language in Languages.All)
            {
                CultureInfo.CurrentUICulture = language;
                Assert.Equal([], AuditActions.All.Where(action => Of(action) == Sentence.With(App.Profile.Text.DidOther, action)));
                said.AddRange(AuditActions.All.Select(Of));
            }

            Assert.Equal(AuditActions.All.Count * Languages.All.Count, said.Distinct().Count());
        }
        finally
        {
            CultureInfo.CurrentUICulture = culture;
        }

        // The detail of the one that needs a certain one; the others take any.
        static string Of(string action) => ActivityWords.Of(action, "pwd 60|desktop|Firefox|Linux");
    }

    [Fact]
    public async Task A_kind_that_is_not_listed_is_not_written()
    {
        await using var scope = shared.App.Services.CreateAsyncScope();
        var audit = scope.ServiceProvider.GetRequiredService<AuditLog>();
        Assert.Throws<ArgumentOutOfRangeException>(() => audit.Add("service-sung-to"));
        Assert.Throws<ArgumentOutOfRangeException>(() => { _ = audit.WriteAsync("sung", Guid.NewGuid(), Guid.NewGuid(), "", "", CancellationToken.None); });
    }
}
