using System.ComponentModel;
using Xunit.Abstractions;
using Xunit.Sdk;

namespace App.Tests.Data;

/// <summary>A fact of the storage contract: skipped, with the reason, where its class needs a database that isn't there. Never passed without having run.</summary>
[XunitTestCaseDiscoverer("App.Tests.Data.StorageFactDiscoverer", "App.Tests")]
[AttributeUsage(AttributeTargets.Method)]
public sealed class StorageFactAttribute : FactAttribute;

/// <summary>This class's tests run only where the environment variable is set.</summary>
[AttributeUsage(AttributeTargets.Class)]
public sealed class NeedsVariableAttribute(string name) : Attribute
{
    public string Name => name;
}

public sealed class StorageFactDiscoverer(IMessageSink messages) : FactDiscoverer(messages)
{
    protected override IXunitTestCase CreateTestCase(ITestFrameworkDiscoveryOptions discoveryOptions, ITestMethod testMethod, IAttributeInfo factAttribute) =>
        new StorageTestCase(DiagnosticMessageSink, discoveryOptions.MethodDisplayOrDefault(), discoveryOptions.MethodDisplayOptionsOrDefault(), testMethod);
}

public sealed class StorageTestCase : XunitTestCase
{
    [EditorBrowsable(EditorBrowsableState.Never)]
    [Obsolete("For xunit's deserializer")]
    public StorageTestCase()
    {
    }

    public StorageTestCase(IMessageSink messages, TestMethodDisplay display, TestMethodDisplayOptions options, ITestMethod method)
        : base(messages, display, options, method)
    {
    }

    protected override string? GetSkipReason(IAttributeInfo factAttribute)
    {
        var needed = TestMethod.TestClass.Class.GetCustomAttributes(typeof(NeedsVariableAttribute)).FirstOrDefault()?.GetNamedArgument<string>(nameof(NeedsVariableAttribute.Name));
        return needed is null || Environment.GetEnvironmentVariable(needed) is { Length: > 0 } ? base.GetSkipReason(factAttribute) : $"{needed} isn't set.";
    }
}
