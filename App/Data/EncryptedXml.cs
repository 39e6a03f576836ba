using System.Text;
using System.Xml.Linq;
using Microsoft.AspNetCore.DataProtection.XmlEncryption;

namespace App.Data;

/// <summary>Data Protection's keys rest in the database, encrypted under the master key.</summary>
internal sealed class XmlEncryptor(MasterKey masterKey) : IXmlEncryptor
{
    public const string Purpose = "data protection";

    public EncryptedXmlInfo Encrypt(XElement plaintextElement)
    {
        var sealedBytes = masterKey.Encrypt(Encoding.UTF8.GetBytes(plaintextElement.ToString(SaveOptions.DisableFormatting)), Purpose);
        return new EncryptedXmlInfo(new XElement("encrypted", Convert.ToBase64String(sealedBytes)), typeof(XmlDecryptor));
    }
}

// Data Protection makes this by reflection and hands it the services.
internal sealed class XmlDecryptor(IServiceProvider services) : IXmlDecryptor
{
    public XElement Decrypt(XElement encryptedElement) => Open(services.GetRequiredService<MasterKey>(), encryptedElement);

    /// <exception cref="System.Security.Cryptography.CryptographicException">It was encrypted under another master key.</exception>
    public static XElement Open(MasterKey masterKey, XElement encryptedElement) =>
        XElement.Parse(Encoding.UTF8.GetString(masterKey.Decrypt(Convert.FromBase64String(encryptedElement.Value), XmlEncryptor.Purpose)));
}
