using System.Net;
using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using App.Data;
using App.Mail;
using App.Ops;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using MimeKit;

namespace App.Tests.Mail;

/// <summary>Letters over a real SMTP conversation: what arrives, and what becomes of a letter where the server refuses, hangs or drops it.</summary>
public sealed class SendLettersTests
{
    [Fact]
    public async Task A_letter_arrives_with_both_parts_and_its_body_is_erased()
    {
        await using var sink = new SmtpSink();
        await using var app = TestApp.Start(sink.Settings);
        var id = await PutAsync(app, "ada@example.test", "Grüße <b>&");
        await RunAsync(app);

        Assert.Contains("RCPT TO:<ada@example.test>", Assert.Single(sink.Envelopes), StringComparison.Ordinal);
        var message = Read(Assert.Single(sink.Letters));
        Assert.Equal("Gatehouse", Assert.Single(message.From.Mailboxes).Name);
        Assert.Equal(("Grüße <b>&", "ada@example.test"), (message.Subject, Assert.Single(message.To.Mailboxes).Address));
        Assert.Equal("auto-generated", message.Headers["Auto-Submitted"]);
        Assert.Contains("First & last.", message.TextBody, StringComparison.Ordinal);
        Assert.Contains(TestApp.Issuer + "/account/x?token=a&b", message.TextBody, StringComparison.Ordinal);
        Assert.Contains("First &amp; last.", message.HtmlBody, StringComparison.Ordinal);
        Assert.Contains($"href=\"{TestApp.Issuer}/account/x?token=a&amp;b\"", message.HtmlBody, StringComparison.Ordinal);

        var row = await RowAsync(app, id);
        Assert.Null(row.Contents);
        Assert.Null(row.DueAt);
        Assert.Equal(app.Time.GetUtcNow(), row.SentAt);
        await RunAsync(app);
        Assert.Single(sink.Letters);
    }

    [Theory]
    [InlineData(null, "Mail:Host=smtp.example.com")]
    [InlineData(null, "Mail:Host=mail_relay", "Mail:User=u", "Mail:Password=p")] // as containers are called
    [InlineData(null, "Mail:Host=::1")]
    [InlineData("Mail:Host is \"smtp.example.com:587\": is no host name", "Mail:Host=smtp.example.com:587")]
    [InlineData("Mail:Host is \"smtp://smtp.example.com\": is no host name", "Mail:Host=smtp://smtp.example.com")]
    [InlineData("Mail:Password isn't set, and Mail:User is", "Mail:Host=smtp.example.com", "Mail:User=u")]
    [InlineData("Mail:Password isn't set, and Mail:User is", "Mail:Host=smtp.example.com", "Mail:User=u", "Mail:Password=")]
    [InlineData("Mail:User isn't set, and Mail:Password is", "Mail:Host=smtp.example.com", "Mail:Password=p")]
    public void A_mail_server_is_a_name_and_whoever_signs_in_there_has_both(string? fault, params string[] settings)
    {
        var configuration = new ConfigurationBuilder().AddInMemoryCollection(settings.Append("Mail:From=a@b.test").Select(s => s.Split('=', 2)).Select(p => KeyValuePair.Create(p[0], (string?)p[1]))).Build();
        var (_, faults) = SettingsCheck.Read<MailOptions>(configuration, "Mail");
        if (fault is null) Assert.Empty(faults);
        else Assert.StartsWith(fault, Assert.Single(faults), StringComparison.Ordinal);
    }

    [Fact] // A letter is there with its cause or not at all.
    public async Task A_cause_that_is_rolled_back_sends_nothing()
    {
        await using var sink = new SmtpSink();
        await using var app = TestApp.Start(sink.Settings);
        await using (var scope = app.Services.CreateAsyncScope())
        {
            var db = scope.ServiceProvider.GetRequiredService<AppDb>();
            await using var transaction = await db.BeginWriteAsync(CancellationToken.None);
            scope.ServiceProvider.GetRequiredService<Outbox>().Add(NewLetter(app, "ada@example.test", "Never"));
            await db.SaveChangesAsync();
        }

        await RunAsync(app);
        Assert.Empty(sink.Letters);
    }

    [Fact]
    public async Task At_two_replicas_at_once_each_letter_goes_out_once()
    {
        await using var sink = new SmtpSink();
        await using var app = TestApp.Start(sink.Settings);
        await using var replica = app.StartReplica(sink.Settings);
        _ = replica.Services;
        for (var i = 0; i < 20; i++) await PutAsync(app, $"user-{i}@example.test", $"Letter {i}");
        await Task.WhenAll(RunAsync(app), RunAsync(replica), RunAsync(app), RunAsync(replica));
        Assert.Equal(Enumerable.Range(0, 20).Select(i => $"Letter {i}").Order(), sink.Letters.Select(l => Read(l).Subject).Order());
    }

    [Fact]
    public async Task A_process_that_dies_with_a_letter_in_hand_loses_nothing()
    {
        await using var sink = new SmtpSink();
        await using var app = TestApp.Start(sink.Settings);
        var id = await PutAsync(app, "ada@example.test", "Held");
        // What a kill leaves behind: taken, not sent, not marked.
        await app.DbAsync(db => db.Outbox.ExecuteUpdateAsync(set => set.SetProperty(l => l.DueAt, app.Time.GetUtcNow().AddSeconds(14)).SetProperty(l => l.Attempts, 1)));
        await RunAsync(app);
        Assert.Empty(sink.Letters);
        app.Time.Advance(TimeSpan.FromSeconds(15));
        await RunAsync(app);
        Assert.Single(sink.Letters);
        Assert.NotNull((await RowAsync(app, id)).SentAt);
    }

    [Fact] // a machine that boots with its clock ahead, before the network is there
    public async Task What_waits_does_not_wait_for_the_time_of_a_clock_that_was_ahead()
    {
        await using var sink = new SmtpSink { Manner = SmtpSink.Manners.Drops };
        await using var app = TestApp.Start(sink.Settings);
        await PutAsync(app, "ada@example.test", "Late");
        app.Time.SetWall(TimeSpan.FromHours(2));
        await RunAsync(app);
        Assert.Empty(sink.Letters);
        sink.Manner = SmtpSink.Manners.Accepts;
        app.Time.SetWall(-TimeSpan.FromHours(2));
        await RunAsync(app);
        Assert.Single(sink.Letters);
    }

    [Fact]
    public async Task An_address_that_is_refused_is_not_tried_again_and_the_next_letter_goes_out()
    {
        await using var sink = new SmtpSink { Manner = SmtpSink.Manners.RefusesAddresses };
        await using var app = TestApp.Start(sink.Settings);
        var id = await PutAsync(app, "ada@example.test", "Refused");
        await RunAsync(app);
        var row = await RowAsync(app, id);
        Assert.Null(row.Contents);
        Assert.Equal((null, null, "RecipientNotAccepted 550"), (row.DueAt, row.SentAt, row.Fault));

        sink.Manner = SmtpSink.Manners.Accepts;
        await PutAsync(app, "bob@example.test", "Taken");
        await RunAsync(app);
        Assert.Equal("Taken", Read(Assert.Single(sink.Letters)).Subject);
        Assert.DoesNotContain(app.Log.Lines, line => line.Contains("ada@example.test", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(SmtpSink.Manners.AsksForLater, "MessageNotAccepted 451")]
    [InlineData(SmtpSink.Manners.Hangs, "no answer in time")]
    [InlineData(SmtpSink.Manners.Drops, null)]
    [InlineData(SmtpSink.Manners.SaysNothingHere, "UnexpectedStatusCode 554")]
    [InlineData(SmtpSink.Manners.RefusesToTalk, "UnexpectedStatusCode 550")]
    [InlineData(SmtpSink.Manners.RefusesToListen, "UnexpectedStatusCode 554")]
    internal async Task What_fails_is_tried_again_at_growing_distances_until_it_is_too_old(SmtpSink.Manners manner, string? why)
    {
        await using var sink = new SmtpSink { Manner = manner };
        await using var app = TestApp.Start(sink.Settings);
        var id = await PutAsync(app, "ada@example.test", "Patience");
        await RunAsync(app);
        var row = await RowAsync(app, id);
        Assert.Equal((1, app.Time.GetUtcNow().AddSeconds(10)), (row.Attempts, row.DueAt));
        Assert.NotNull(row.Fault);
        if (why is not null) Assert.Equal(why, row.Fault);

        app.Time.Advance(TimeSpan.FromSeconds(11));
        sink.Manner = SmtpSink.Manners.AsksForLater;
        await RunAsync(app);
        Assert.Equal((2, app.Time.GetUtcNow().AddSeconds(20)), ((row = await RowAsync(app, id)).Attempts, row.DueAt));

        app.Time.Advance(TimeSpan.FromSeconds(21));
        sink.Manner = SmtpSink.Manners.Accepts;
        await RunAsync(app);
        Assert.Equal("Patience", Read(Assert.Single(sink.Letters)).Subject);
    }

    [Fact]
    public async Task Where_nobody_listens_letters_wait_and_are_erased_in_time()
    {
        using var silent = new SilentPort();
        await using var app = TestApp.Start(("Mail:Host", "127.0.0.1"), ("Mail:Port", $"{silent.Port}"), ("Mail:Tls", "None"), ("Mail:From", "a@b.test"), ("Mail:GiveUpAfter", "01:00:00"));
        var id = await PutAsync(app, "ada@example.test", "Nobody");
        var other = await PutAsync(app, "bob@example.test", "Nobody either");
        await RunAsync(app);
        // One attempt tells enough: the other letter isn't touched.
        Assert.Equal([0, 1], new[] { (await RowAsync(app, id)).Attempts, (await RowAsync(app, other)).Attempts }.Order());

        app.Time.Advance(TimeSpan.FromMinutes(61));
        await app.Get<HourlySweep>().RunOnceAsync(CancellationToken.None);
        Assert.Null((await RowAsync(app, id)).Contents);
        app.Time.AdjustTime(app.Time.GetUtcNow().AddDays(8)); // without the ticks of a week
        await app.Get<HourlySweep>().RunOnceAsync(CancellationToken.None);
        Assert.Equal(0, await app.DbAsync(db => db.Outbox.CountAsync()));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_server_that_nobody_vouches_for_gets_neither_letter_nor_password(bool fromTheFirstByte)
    {
        using var certificate = SelfMade();
        await using var sink = new SmtpSink { Certificate = certificate, Implicit = fromTheFirstByte };
        await using var app = TestApp.Start([.. sink.Settings, ("Mail:User", "gatehouse"), ("Mail:Password", "known to the relay")]);
        var id = await PutAsync(app, "ada@example.test", "Private");
        await RunAsync(app);
        var row = await RowAsync(app, id);
        Assert.Equal((1, app.Time.GetUtcNow().AddSeconds(10), "SslHandshakeException"), (row.Attempts, row.DueAt, row.Fault));
        Assert.Empty(sink.Callers);
        Assert.Empty(sink.Letters);

        using var post = new SmtpPost(app.Get<MailOptions>(), app.Time)
        {
            Trust = (_, shown, chain, errors) =>
            {
                (chain!.ChainPolicy.TrustMode, chain.ChainPolicy.RevocationMode) = (X509ChainTrustMode.CustomRootTrust, X509RevocationMode.NoCheck);
                chain.ChainPolicy.CustomTrustStore.Add(certificate);
                return (errors & ~SslPolicyErrors.RemoteCertificateChainErrors) == 0 && chain.Build((X509Certificate2)shown!);
            },
        };
        Assert.Equal((SmtpPost.Result.Sent, null), await post.SendAsync(id, NewLetter(app, "ada@example.test", "Private"), CancellationToken.None));
        Assert.Equal(["\0gatehouse\0known to the relay"], sink.Callers);
        Assert.Equal("Private", Read(Assert.Single(sink.Letters)).Subject);
    }

    [Fact] // Somebody on the way may have struck the offer out.
    public async Task Where_no_TLS_is_offered_the_letter_waits()
    {
        await using var sink = new SmtpSink();
        await using var app = TestApp.Start([.. sink.Settings.Where(s => s.Item1 != "Mail:Tls"), ("Mail:Tls", "StartTls")]);
        var id = await PutAsync(app, "ada@example.test", "Patience");
        await RunAsync(app);
        var row = await RowAsync(app, id);
        Assert.Equal((1, app.Time.GetUtcNow().AddSeconds(10)), (row.Attempts, row.DueAt));
        Assert.NotNull(row.Contents);
        Assert.Empty(sink.Letters);
    }

    [Fact]
    public async Task A_letter_that_no_server_could_take_or_nobody_can_write_holds_up_no_other()
    {
        await using var sink = new SmtpSink();
        await using var app = TestApp.Start(sink.Settings);
        var id = await PutAsync(app, "ada@@example.test", "Never");
        await app.ScopedAsync<IServiceProvider, int>(services =>
        {
            services.GetRequiredService<Outbox>().AddDraft("new-email", "not what it was made with");
            return services.GetRequiredService<AppDb>().SaveChangesAsync();
        });
        app.Time.Advance(TimeSpan.FromSeconds(1));
        await PutAsync(app, "bob@example.test", "Taken");
        await RunAsync(app);
        Assert.Equal("Taken", Read(Assert.Single(sink.Letters)).Subject);
        Assert.Null((await RowAsync(app, id)).Contents);
    }

    [Theory] // Header injection: what a person typed stays one line of one header.
    [InlineData("Hello\r\nBcc: evil@evil.test")]
    [InlineData("Hello\nBcc: evil@evil.test\n\nBody")]
    [InlineData("Hello\u2028Bcc: evil@evil.test\u0000")]
    [InlineData("Hello\r\n.\r\nMAIL FROM:<evil@evil.test>")]
    public async Task Nothing_typed_becomes_a_header(string subject)
    {
        await using var sink = new SmtpSink();
        await using var app = TestApp.Start(sink.Settings);
        await PutAsync(app, "ada@example.test", subject);
        await RunAsync(app);
        var message = Read(Assert.Single(sink.Letters));
        Assert.Empty(message.Bcc);
        Assert.Equal("ada@example.test", Assert.Single(message.To.Mailboxes).Address);
        Assert.StartsWith("Hello", message.Subject, StringComparison.Ordinal);
        Assert.Single(sink.Envelopes);
        Assert.Equal(["From", "Date", "Subject", "Message-Id", "To", "Auto-Submitted", "MIME-Version"], message.Headers.Select(h => h.Field));
    }

    [Theory]
    [InlineData("ada@example.test\r\nRCPT TO:<evil@evil.test>")]
    [InlineData("ada@example.test\n")]
    public async Task What_is_no_address_gets_no_letter(string to)
    {
        await using var app = TestApp.Start();
        await Assert.ThrowsAsync<ArgumentException>(() => PutAsync(app, to, "Hello"));
    }

    [Fact]
    public async Task Nothing_in_the_box_can_be_read_without_the_master_key()
    {
        await using var app = TestApp.Start();
        await PutAsync(app, "ada@example.test", "A subject of its own");
        var rows = await Attacks.State.TextAsync(app);
        foreach (var text in new[] { "ada@example.test", "A subject of its own", "/account/x" }) Assert.DoesNotContain(text, rows, StringComparison.Ordinal);
    }

    [Fact]
    public async Task In_Development_letters_can_be_read_and_elsewhere_there_is_no_such_page()
    {
        await using var app = TestApp.Start();
        Assert.Contains("No letters", await app.Client.GetStringAsync("/dev/mail"), StringComparison.Ordinal);
        var id = await PutAsync(app, "ada@example.test", "<script>alert(1)</script>");
        var list = await app.Client.GetStringAsync("/dev/mail");
        Assert.Contains($"/dev/mail/{id}", list, StringComparison.Ordinal);
        Assert.DoesNotContain("<script>", list, StringComparison.Ordinal);
        Assert.DoesNotContain("<span class=\"glyph\"></span>", list, StringComparison.Ordinal); // a hole
        Assert.Contains("<a href=\"/\">", list, StringComparison.Ordinal);
        Assert.Contains("<span>ada@example.test</span><time datetime=\"2026-01-01T00:00:00Z\" title=\"2026-01-01 00:00:00 UTC\">just now</time>", list, StringComparison.Ordinal);
        var text = await app.Client.GetStringAsync($"/dev/mail/{id}");
        Assert.Contains("First &amp; last.", text, StringComparison.Ordinal);
        Assert.Contains($"<a href=\"{TestApp.Issuer}/account/x?token=a&amp;b\">{TestApp.Issuer}/account/x?token=a&amp;b</a>", text, StringComparison.Ordinal);
        foreach (var (later, said) in new[] { (TimeSpan.FromMinutes(59), "59 min ago"), (TimeSpan.FromHours(22), "22 h ago"), (TimeSpan.FromDays(1), "2026-01-01 00:00:00 UTC</time>") })
        {
            app.Time.Advance(later);
            Assert.Contains(said, await app.Client.GetStringAsync("/dev/mail"), StringComparison.Ordinal);
        }

        var look = await app.Client.GetAsync($"/dev/mail/{id}/html");
        Assert.Contains("sandbox", look.Headers.GetValues("Content-Security-Policy").Single(), StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.NotFound, (await app.Client.GetAsync($"/dev/mail/{Guid.NewGuid()}")).StatusCode);

        await using var elsewhere = TestApp.Start(("environment", "Staging"));
        foreach (var path in new[] { "/dev/mail", $"/dev/mail/{id}", $"/dev/mail/{id}/html" })
            Assert.Equal(HttpStatusCode.NotFound, (await elsewhere.Client.GetAsync(path)).StatusCode);
        Assert.Contains(elsewhere.Log.Lines, line => line.Contains("Mail:Host isn't set", StringComparison.Ordinal));
    }

    [Fact] // ATTACKS 226: a full disk fills neither the log nor a core
    public async Task While_the_database_takes_nothing_one_letter_is_tried_and_the_log_says_so_once()
    {
        await using var sink = new SmtpSink();
        await using var app = TestApp.Start(sink.Settings);
        for (var i = 0; i < 3; i++) await PutAsync(app, $"user-{i}@example.test", $"Letter {i}");
        foreach (var sent in new[] { 3, 4 })
        {
            await app.DbAsync(db => db.Database.ExecuteSqlRawAsync("""CREATE TRIGGER "Full" BEFORE UPDATE ON "Outbox" BEGIN SELECT RAISE(ABORT, 'full'); END"""));
            for (var i = 0; i < 3; i++) await app.Get<SendLetters>().TryOnceAsync(CancellationToken.None);
            Assert.Equal(sent - 2, app.Log.Lines.Count(line => line.Contains("App.Mail.SendLetters 1201 ", StringComparison.Ordinal)));
            await app.DbAsync(db => db.Database.ExecuteSqlRawAsync("""DROP TRIGGER "Full" """));
            await app.Get<SendLetters>().TryOnceAsync(CancellationToken.None);
            Assert.Equal(sent, sink.Letters.Count);
            await PutAsync(app, "bob@example.test", "Another");
        }
    }

    private static Task RunAsync(TestApp app) => app.Get<SendLetters>().RunOnceAsync(CancellationToken.None);

    private static Letter NewLetter(TestApp app, string to, string subject) =>
        app.Get<LetterPaper>().Write(to, subject, ["First & last."], ("Go on", "/account/x?token=a&b"), "Or don’t.");

    private static Task<Guid> PutAsync(TestApp app, string to, string subject) => app.ScopedAsync<IServiceProvider, Guid>(async services =>
    {
        var db = services.GetRequiredService<AppDb>();
        services.GetRequiredService<Outbox>().Add(NewLetter(app, to, subject));
        var id = db.ChangeTracker.Entries<QueuedLetter>().Single().Entity.Id;
        await db.SaveChangesAsync();
        return id;
    });

    private static Task<QueuedLetter> RowAsync(TestApp app, Guid id) => app.DbAsync(db => db.Outbox.AsNoTracking().SingleAsync(l => l.Id == id));

    private static X509Certificate2 SelfMade()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=relay.test", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddIpAddress(IPAddress.Loopback);
        request.CertificateExtensions.Add(names.Build());
        return request.CreateSelfSigned(TimeProvider.System.GetUtcNow().AddDays(-1), TimeProvider.System.GetUtcNow().AddDays(1));
    }

    private static MimeMessage Read(string wire) => MimeMessage.Load(new MemoryStream(System.Text.Encoding.UTF8.GetBytes(wire)));
}
