using App.Ops;

try
{
    var builder = Hosting.CreateBuilder(args);
    builder.AddOps();
    var app = builder.Build();
    app.UseOps();
    app.MapOps();
    await app.RunAsync();
    return 0;
}
catch (Exception e) when (Hosting.Explains(e))
{
    return 1;
}
