using App.Accounts;
using App.Admin;
using App.Audit;
using App.Connect;
using App.Dashboard;
using App.Data;
using App.Drill;
using App.Events;
using App.Factors;
using App.Frame;
using App.Gateway;
using App.Keys;
using App.Lab;
using App.Mail;
using App.OAuth;
using App.Ops;
using App.Passwords;
using App.Profile;
using App.Push;
using App.Recovery;
using App.Services;
using App.Sessions;
using App.Tokens;

try
{
    var builder = Hosting.CreateBuilder(args).WithHeadStart();
    builder.AddOps();
    builder.Services
        .AddData().AddFrame().AddMail()
        .AddPasswords<User>().AddAudit()
        .AddEvents().AddPush()
        .AddTokens().AddSessions()
        .AddFactors().AddAccounts().AddRecovery().AddProfile()
        .AddOAuth().AddServices().AddGateway().AddConnect().AddAdmin().AddKeys().AddDashboard().AddDrill().AddLab();

    var app = builder.Build();
    if (await app.AnswerAsync(args) is { } answered) return answered;
    var prepared = app.PrepareAsync(args);
    app.UseOps();
    app.UseFrame();
    app.UseAuthentication().UseAuthorization();
    app.MapOps().MapFrame().MapMail()
        .MapEvents()
        .MapTokens().MapSessions()
        .MapFactors().MapAccounts().MapRecovery().MapProfile()
        .MapOAuth().MapServices().MapGateway().MapAdmin().MapKeys().MapDashboard().MapDrill().MapLab();
    return await app.LaunchAsync(args, prepared);
}
catch (Exception e) when (Hosting.Explains(e))
{
    return 1;
}
