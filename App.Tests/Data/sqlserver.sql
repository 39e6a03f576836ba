IF OBJECT_ID(N'[__EFMigrationsHistory]') IS NULL
BEGIN
    CREATE TABLE [__EFMigrationsHistory] (
        [MigrationId] nvarchar(150) NOT NULL,
        [ProductVersion] nvarchar(32) NOT NULL,
        CONSTRAINT [PK___EFMigrationsHistory] PRIMARY KEY ([MigrationId])
    );
END;
GO

BEGIN TRANSACTION;
IF NOT EXISTS (
    SELECT * FROM [__EFMigrationsHistory]
    WHERE [MigrationId] = N'20261123154705_Initial'
)
BEGIN
    CREATE TABLE [AspNetRoles] (
        [Id] uniqueidentifier NOT NULL,
        [Name] nvarchar(256) NULL,
        [NormalizedName] nvarchar(256) NULL,
        [ConcurrencyStamp] nvarchar(max) NULL,
        CONSTRAINT [PK_AspNetRoles] PRIMARY KEY ([Id])
    );
END;

IF NOT EXISTS (
    SELECT * FROM [__EFMigrationsHistory]
    WHERE [MigrationId] = N'20261123154705_Initial'
)
BEGIN
    CREATE TABLE [AspNetUsers] (
        [Id] uniqueidentifier NOT NULL,
        [Name] nvarchar(200) NULL,
        [CreatedAt] datetimeoffset NOT NULL,
        [UserName] nvarchar(256) NULL,
        [NormalizedUserName] nvarchar(256) COLLATE Latin1_General_100_BIN2 NULL,
        [Email] nvarchar(256) NULL,
        [NormalizedEmail] nvarchar(256) COLLATE Latin1_General_100_BIN2 NULL,
        [EmailConfirmed] bit NOT NULL,
        [PasswordHash] nvarchar(max) NULL,
        [SecurityStamp] nvarchar(max) NULL,
        [ConcurrencyStamp] nvarchar(max) NULL,
        [PhoneNumber] nvarchar(256) NULL,
        [PhoneNumberConfirmed] bit NOT NULL,
        [TwoFactorEnabled] bit NOT NULL,
        [LockoutEnd] datetimeoffset NULL,
        [LockoutEnabled] bit NOT NULL,
        [AccessFailedCount] int NOT NULL,
        CONSTRAINT [PK_AspNetUsers] PRIMARY KEY ([Id])
    );
END;

IF NOT EXISTS (
    SELECT * FROM [__EFMigrationsHistory]
    WHERE [MigrationId] = N'20261123154705_Initial'
)
BEGIN
    CREATE TABLE [Audit] (
        [Id] bigint NOT NULL IDENTITY,
        [At] datetimeoffset NOT NULL,
        [Action] nvarchar(40) NOT NULL,
        [UserId] uniqueidentifier NULL,
        [SessionId] uniqueidentifier NULL,
        [Address] nvarchar(64) NULL,
        [Detail] nvarchar(200) NULL,
        CONSTRAINT [PK_Audit] PRIMARY KEY ([Id])
    );
END;

IF NOT EXISTS (
    SELECT * FROM [__EFMigrationsHistory]
    WHERE [MigrationId] = N'20261123154705_Initial'
)
BEGIN
    CREATE TABLE [DataProtectionKeys] (
        [Id] int NOT NULL IDENTITY,
        [FriendlyName] nvarchar(max) NULL,
        [Xml] nvarchar(max) NULL,
        CONSTRAINT [PK_DataProtectionKeys] PRIMARY KEY ([Id])
    );
END;

IF NOT EXISTS (
    SELECT * FROM [__EFMigrationsHistory]
    WHERE [MigrationId] = N'20261123154705_Initial'
)
BEGIN
    CREATE TABLE [GuessLimits] (
        [Key] varchar(43) NOT NULL,
        [Failures] int NOT NULL,
        [Pending] int NOT NULL,
        [PendingSince] datetimeoffset NULL,
        [Locks] int NOT NULL,
        [LastAt] datetimeoffset NOT NULL,
        [LockedUntil] datetimeoffset NULL,
        [Version] bigint NOT NULL,
        CONSTRAINT [PK_GuessLimits] PRIMARY KEY ([Key])
    );
END;

IF NOT EXISTS (
    SELECT * FROM [__EFMigrationsHistory]
    WHERE [MigrationId] = N'20261123154705_Initial'
)
BEGIN
    CREATE TABLE [SecurityEvents] (
        [Cursor] bigint NOT NULL IDENTITY,
        [Id] uniqueidentifier NOT NULL,
        [Type] nvarchar(60) NOT NULL,
        [OccurredAt] datetimeoffset NOT NULL,
        [ExpiresAt] datetimeoffset NOT NULL,
        [UserId] uniqueidentifier NULL,
        [SessionId] uniqueidentifier NULL,
        [KeyId] nvarchar(64) NULL,
        [Reason] nvarchar(40) NOT NULL,
        CONSTRAINT [PK_SecurityEvents] PRIMARY KEY ([Cursor])
    );
END;

IF NOT EXISTS (
    SELECT * FROM [__EFMigrationsHistory]
    WHERE [MigrationId] = N'20261123154705_Initial'
)
BEGIN
    CREATE TABLE [SigningKeys] (
        [Id] nvarchar(64) NOT NULL,
        [State] nvarchar(10) NOT NULL,
        [PublicKey] varbinary(200) NOT NULL,
        [PrivateKey] varbinary(400) NULL,
        [CreatedAt] datetimeoffset NOT NULL,
        [ActivatedAt] datetimeoffset NULL,
        [EndedAt] datetimeoffset NULL,
        CONSTRAINT [PK_SigningKeys] PRIMARY KEY ([Id])
    );
END;

IF NOT EXISTS (
    SELECT * FROM [__EFMigrationsHistory]
    WHERE [MigrationId] = N'20261123154705_Initial'
)
BEGIN
    CREATE TABLE [AspNetRoleClaims] (
        [Id] int NOT NULL IDENTITY,
        [RoleId] uniqueidentifier NOT NULL,
        [ClaimType] nvarchar(max) NULL,
        [ClaimValue] nvarchar(max) NULL,
        CONSTRAINT [PK_AspNetRoleClaims] PRIMARY KEY ([Id]),
        CONSTRAINT [FK_AspNetRoleClaims_AspNetRoles_RoleId] FOREIGN KEY ([RoleId]) REFERENCES [AspNetRoles] ([Id]) ON DELETE CASCADE
    );
END;

IF NOT EXISTS (
    SELECT * FROM [__EFMigrationsHistory]
    WHERE [MigrationId] = N'20261123154705_Initial'
)
BEGIN
    CREATE TABLE [AspNetUserClaims] (
        [Id] int NOT NULL IDENTITY,
        [UserId] uniqueidentifier NOT NULL,
        [ClaimType] nvarchar(max) NULL,
        [ClaimValue] nvarchar(max) NULL,
        CONSTRAINT [PK_AspNetUserClaims] PRIMARY KEY ([Id]),
        CONSTRAINT [FK_AspNetUserClaims_AspNetUsers_UserId] FOREIGN KEY ([UserId]) REFERENCES [AspNetUsers] ([Id]) ON DELETE CASCADE
    );
END;

IF NOT EXISTS (
    SELECT * FROM [__EFMigrationsHistory]
    WHERE [MigrationId] = N'20261123154705_Initial'
)
BEGIN
    CREATE TABLE [AspNetUserLogins] (
        [LoginProvider] nvarchar(128) NOT NULL,
        [ProviderKey] nvarchar(128) NOT NULL,
        [ProviderDisplayName] nvarchar(max) NULL,
        [UserId] uniqueidentifier NOT NULL,
        CONSTRAINT [PK_AspNetUserLogins] PRIMARY KEY ([LoginProvider], [ProviderKey]),
        CONSTRAINT [FK_AspNetUserLogins_AspNetUsers_UserId] FOREIGN KEY ([UserId]) REFERENCES [AspNetUsers] ([Id]) ON DELETE CASCADE
    );
END;

IF NOT EXISTS (
    SELECT * FROM [__EFMigrationsHistory]
    WHERE [MigrationId] = N'20261123154705_Initial'
)
BEGIN
    CREATE TABLE [AspNetUserPasskeys] (
        [CredentialId] varbinary(1024) NOT NULL,
        [UserId] uniqueidentifier NOT NULL,
        [Data] nvarchar(max) NOT NULL,
        CONSTRAINT [PK_AspNetUserPasskeys] PRIMARY KEY ([CredentialId]),
        CONSTRAINT [FK_AspNetUserPasskeys_AspNetUsers_UserId] FOREIGN KEY ([UserId]) REFERENCES [AspNetUsers] ([Id]) ON DELETE CASCADE
    );
END;

IF NOT EXISTS (
    SELECT * FROM [__EFMigrationsHistory]
    WHERE [MigrationId] = N'20261123154705_Initial'
)
BEGIN
    CREATE TABLE [AspNetUserRoles] (
        [UserId] uniqueidentifier NOT NULL,
        [RoleId] uniqueidentifier NOT NULL,
        CONSTRAINT [PK_AspNetUserRoles] PRIMARY KEY ([UserId], [RoleId]),
        CONSTRAINT [FK_AspNetUserRoles_AspNetRoles_RoleId] FOREIGN KEY ([RoleId]) REFERENCES [AspNetRoles] ([Id]) ON DELETE CASCADE,
        CONSTRAINT [FK_AspNetUserRoles_AspNetUsers_UserId] FOREIGN KEY ([UserId]) REFERENCES [AspNetUsers] ([Id]) ON DELETE CASCADE
    );
END;

IF NOT EXISTS (
    SELECT * FROM [__EFMigrationsHistory]
    WHERE [MigrationId] = N'20261123154705_Initial'
)
BEGIN
    CREATE TABLE [AspNetUserTokens] (
        [UserId] uniqueidentifier NOT NULL,
        [LoginProvider] nvarchar(128) NOT NULL,
        [Name] nvarchar(128) NOT NULL,
        [Value] nvarchar(max) NULL,
        CONSTRAINT [PK_AspNetUserTokens] PRIMARY KEY ([UserId], [LoginProvider], [Name]),
        CONSTRAINT [FK_AspNetUserTokens_AspNetUsers_UserId] FOREIGN KEY ([UserId]) REFERENCES [AspNetUsers] ([Id]) ON DELETE CASCADE
    );
END;

IF NOT EXISTS (
    SELECT * FROM [__EFMigrationsHistory]
    WHERE [MigrationId] = N'20261123154705_Initial'
)
BEGIN
    CREATE TABLE [Sessions] (
        [Id] uniqueidentifier NOT NULL,
        [UserId] uniqueidentifier NOT NULL,
        [StartedAt] datetimeoffset NOT NULL,
        [LastSeenAt] datetimeoffset NOT NULL,
        [ExpiresAt] datetimeoffset NOT NULL,
        [AuthenticatedAt] datetimeoffset NOT NULL,
        [RevokedAt] datetimeoffset NULL,
        [RevokedBecause] nvarchar(40) NULL,
        [Amr] nvarchar(60) NOT NULL,
        [Address] nvarchar(64) NOT NULL,
        [UserAgent] nvarchar(256) NOT NULL,
        [RefreshHash] varbinary(32) NOT NULL,
        [ParentHash] varbinary(32) NULL,
        [RotatedAt] datetimeoffset NULL,
        CONSTRAINT [PK_Sessions] PRIMARY KEY ([Id]),
        CONSTRAINT [FK_Sessions_AspNetUsers_UserId] FOREIGN KEY ([UserId]) REFERENCES [AspNetUsers] ([Id]) ON DELETE CASCADE
    );
END;

IF NOT EXISTS (
    SELECT * FROM [__EFMigrationsHistory]
    WHERE [MigrationId] = N'20261123154705_Initial'
)
BEGIN
    CREATE INDEX [IX_AspNetRoleClaims_RoleId] ON [AspNetRoleClaims] ([RoleId]);
END;

IF NOT EXISTS (
    SELECT * FROM [__EFMigrationsHistory]
    WHERE [MigrationId] = N'20261123154705_Initial'
)
BEGIN
    EXEC(N'CREATE UNIQUE INDEX [RoleNameIndex] ON [AspNetRoles] ([NormalizedName]) WHERE [NormalizedName] IS NOT NULL');
END;

IF NOT EXISTS (
    SELECT * FROM [__EFMigrationsHistory]
    WHERE [MigrationId] = N'20261123154705_Initial'
)
BEGIN
    CREATE INDEX [IX_AspNetUserClaims_UserId] ON [AspNetUserClaims] ([UserId]);
END;

IF NOT EXISTS (
    SELECT * FROM [__EFMigrationsHistory]
    WHERE [MigrationId] = N'20261123154705_Initial'
)
BEGIN
    CREATE INDEX [IX_AspNetUserLogins_UserId] ON [AspNetUserLogins] ([UserId]);
END;

IF NOT EXISTS (
    SELECT * FROM [__EFMigrationsHistory]
    WHERE [MigrationId] = N'20261123154705_Initial'
)
BEGIN
    CREATE INDEX [IX_AspNetUserPasskeys_UserId] ON [AspNetUserPasskeys] ([UserId]);
END;

IF NOT EXISTS (
    SELECT * FROM [__EFMigrationsHistory]
    WHERE [MigrationId] = N'20261123154705_Initial'
)
BEGIN
    CREATE INDEX [IX_AspNetUserRoles_RoleId] ON [AspNetUserRoles] ([RoleId]);
END;

IF NOT EXISTS (
    SELECT * FROM [__EFMigrationsHistory]
    WHERE [MigrationId] = N'20261123154705_Initial'
)
BEGIN
    EXEC(N'CREATE UNIQUE INDEX [EmailIndex] ON [AspNetUsers] ([NormalizedEmail]) WHERE [NormalizedEmail] IS NOT NULL');
END;

IF NOT EXISTS (
    SELECT * FROM [__EFMigrationsHistory]
    WHERE [MigrationId] = N'20261123154705_Initial'
)
BEGIN
    EXEC(N'CREATE UNIQUE INDEX [UserNameIndex] ON [AspNetUsers] ([NormalizedUserName]) WHERE [NormalizedUserName] IS NOT NULL');
END;

IF NOT EXISTS (
    SELECT * FROM [__EFMigrationsHistory]
    WHERE [MigrationId] = N'20261123154705_Initial'
)
BEGIN
    CREATE INDEX [IX_Audit_UserId_Id] ON [Audit] ([UserId], [Id]);
END;

IF NOT EXISTS (
    SELECT * FROM [__EFMigrationsHistory]
    WHERE [MigrationId] = N'20261123154705_Initial'
)
BEGIN
    CREATE INDEX [IX_GuessLimits_LastAt] ON [GuessLimits] ([LastAt]);
END;

IF NOT EXISTS (
    SELECT * FROM [__EFMigrationsHistory]
    WHERE [MigrationId] = N'20261123154705_Initial'
)
BEGIN
    CREATE INDEX [IX_SecurityEvents_ExpiresAt] ON [SecurityEvents] ([ExpiresAt]);
END;

IF NOT EXISTS (
    SELECT * FROM [__EFMigrationsHistory]
    WHERE [MigrationId] = N'20261123154705_Initial'
)
BEGIN
    CREATE UNIQUE INDEX [IX_SecurityEvents_Id] ON [SecurityEvents] ([Id]);
END;

IF NOT EXISTS (
    SELECT * FROM [__EFMigrationsHistory]
    WHERE [MigrationId] = N'20261123154705_Initial'
)
BEGIN
    CREATE INDEX [IX_Sessions_ExpiresAt] ON [Sessions] ([ExpiresAt]);
END;

IF NOT EXISTS (
    SELECT * FROM [__EFMigrationsHistory]
    WHERE [MigrationId] = N'20261123154705_Initial'
)
BEGIN
    CREATE INDEX [IX_Sessions_UserId_RevokedAt] ON [Sessions] ([UserId], [RevokedAt]);
END;

IF NOT EXISTS (
    SELECT * FROM [__EFMigrationsHistory]
    WHERE [MigrationId] = N'20261123154705_Initial'
)
BEGIN
    EXEC(N'CREATE UNIQUE INDEX [IX_SigningKeys_State] ON [SigningKeys] ([State]) WHERE State IN (''Current'', ''Next'')');
END;

IF NOT EXISTS (
    SELECT * FROM [__EFMigrationsHistory]
    WHERE [MigrationId] = N'20261123154705_Initial'
)
BEGIN
    INSERT INTO [__EFMigrationsHistory] ([MigrationId], [ProductVersion])
    VALUES (N'20261123154705_Initial', N'10.0.14');
END;

COMMIT;
GO

BEGIN TRANSACTION;
IF NOT EXISTS (
    SELECT * FROM [__EFMigrationsHistory]
    WHERE [MigrationId] = N'20261125130504_FeedAndServices'
)
BEGIN
    DROP TABLE [SecurityEvents];
END;

IF NOT EXISTS (
    SELECT * FROM [__EFMigrationsHistory]
    WHERE [MigrationId] = N'20261125130504_FeedAndServices'
)
BEGIN
    ALTER TABLE [AspNetUsers] ADD [TokensNotBefore] bigint NULL;
END;

IF NOT EXISTS (
    SELECT * FROM [__EFMigrationsHistory]
    WHERE [MigrationId] = N'20261125130504_FeedAndServices'
)
BEGIN
    CREATE TABLE [EventCounter] (
        [Id] int NOT NULL,
        [Value] bigint NOT NULL,
        [PrunedTo] bigint NOT NULL,
        CONSTRAINT [PK_EventCounter] PRIMARY KEY ([Id])
    );
END;

IF NOT EXISTS (
    SELECT * FROM [__EFMigrationsHistory]
    WHERE [MigrationId] = N'20261125130504_FeedAndServices'
)
BEGIN
    CREATE TABLE [FeedReaders] (
        [Service] nvarchar(100) NOT NULL,
        [Instance] nvarchar(64) NOT NULL,
        [Audience] nvarchar(200) NULL,
        [ContactAt] datetimeoffset NOT NULL,
        [Applied] bigint NOT NULL,
        [Ahead] nvarchar(max) NULL,
        [Acks] nvarchar(4000) NOT NULL,
        CONSTRAINT [PK_FeedReaders] PRIMARY KEY ([Service], [Instance])
    );
END;

IF NOT EXISTS (
    SELECT * FROM [__EFMigrationsHistory]
    WHERE [MigrationId] = N'20261125130504_FeedAndServices'
)
BEGIN
    CREATE TABLE [OpenIddictApplications] (
        [Id] uniqueidentifier NOT NULL,
        [Trust] nvarchar(20) NOT NULL,
        [Audience] nvarchar(200) NULL,
        [Declared] bit NOT NULL,
        [CreatedAt] datetimeoffset NOT NULL,
        [LastContactAt] datetimeoffset NULL,
        [SecretHash] varbinary(32) NOT NULL,
        [SecretSetAt] datetimeoffset NOT NULL,
        [OldSecretHash] varbinary(32) NULL,
        [OldSecretSetAt] datetimeoffset NULL,
        [ApplicationType] nvarchar(50) NULL,
        [ClientId] nvarchar(100) NULL,
        [ClientSecret] nvarchar(max) NULL,
        [ClientType] nvarchar(50) NULL,
        [ConcurrencyToken] nvarchar(50) NULL,
        [ConsentType] nvarchar(50) NULL,
        [DisplayName] nvarchar(max) NULL,
        [DisplayNames] nvarchar(max) NULL,
        [JsonWebKeySet] nvarchar(max) NULL,
        [Permissions] nvarchar(max) NULL,
        [PostLogoutRedirectUris] nvarchar(max) NULL,
        [Properties] nvarchar(max) NULL,
        [RedirectUris] nvarchar(max) NULL,
        [Requirements] nvarchar(max) NULL,
        [Settings] nvarchar(max) NULL,
        CONSTRAINT [PK_OpenIddictApplications] PRIMARY KEY ([Id])
    );
END;

IF NOT EXISTS (
    SELECT * FROM [__EFMigrationsHistory]
    WHERE [MigrationId] = N'20261125130504_FeedAndServices'
)
BEGIN
    CREATE TABLE [OpenIddictScopes] (
        [Id] uniqueidentifier NOT NULL,
        [ConcurrencyToken] nvarchar(50) NULL,
        [Description] nvarchar(max) NULL,
        [Descriptions] nvarchar(max) NULL,
        [DisplayName] nvarchar(max) NULL,
        [DisplayNames] nvarchar(max) NULL,
        [Name] nvarchar(200) NULL,
        [Properties] nvarchar(max) NULL,
        [Resources] nvarchar(max) NULL,
        CONSTRAINT [PK_OpenIddictScopes] PRIMARY KEY ([Id])
    );
END;

IF NOT EXISTS (
    SELECT * FROM [__EFMigrationsHistory]
    WHERE [MigrationId] = N'20261125130504_FeedAndServices'
)
BEGIN
    CREATE TABLE [RegistryVersion] (
        [Id] int NOT NULL,
        [Version] bigint NOT NULL,
        CONSTRAINT [PK_RegistryVersion] PRIMARY KEY ([Id])
    );
END;

IF NOT EXISTS (
    SELECT * FROM [__EFMigrationsHistory]
    WHERE [MigrationId] = N'20261125130504_FeedAndServices'
)
BEGIN
    CREATE TABLE [RevokedTokens] (
        [Id] varchar(64) NOT NULL,
        [ExpiresAt] datetimeoffset NOT NULL,
        CONSTRAINT [PK_RevokedTokens] PRIMARY KEY ([Id])
    );
END;

IF NOT EXISTS (
    SELECT * FROM [__EFMigrationsHistory]
    WHERE [MigrationId] = N'20261125130504_FeedAndServices'
)
BEGIN
    CREATE TABLE [SecurityEventLog] (
        [Cursor] bigint NOT NULL,
        [Id] uniqueidentifier NOT NULL,
        [Type] nvarchar(60) NOT NULL,
        [OccurredAt] datetimeoffset NOT NULL,
        [ExpiresAt] datetimeoffset NOT NULL,
        [UserId] uniqueidentifier NULL,
        [SessionId] uniqueidentifier NULL,
        [KeyId] nvarchar(64) NULL,
        [NotBefore] bigint NULL,
        [Audiences] nvarchar(2000) NULL,
        [Reason] nvarchar(40) NOT NULL,
        CONSTRAINT [PK_SecurityEventLog] PRIMARY KEY ([Cursor])
    );
END;

IF NOT EXISTS (
    SELECT * FROM [__EFMigrationsHistory]
    WHERE [MigrationId] = N'20261125130504_FeedAndServices'
)
BEGIN
    CREATE TABLE [OpenIddictAuthorizations] (
        [Id] uniqueidentifier NOT NULL,
        [ApplicationId] uniqueidentifier NULL,
        [ConcurrencyToken] nvarchar(50) NULL,
        [CreationDate] datetime2 NULL,
        [Properties] nvarchar(max) NULL,
        [Scopes] nvarchar(max) NULL,
        [Status] nvarchar(50) NULL,
        [Subject] nvarchar(400) NULL,
        [Type] nvarchar(50) NULL,
        CONSTRAINT [PK_OpenIddictAuthorizations] PRIMARY KEY ([Id]),
        CONSTRAINT [FK_OpenIddictAuthorizations_OpenIddictApplications_ApplicationId] FOREIGN KEY ([ApplicationId]) REFERENCES [OpenIddictApplications] ([Id])
    );
END;

IF NOT EXISTS (
    SELECT * FROM [__EFMigrationsHistory]
    WHERE [MigrationId] = N'20261125130504_FeedAndServices'
)
BEGIN
    CREATE TABLE [OpenIddictTokens] (
        [Id] uniqueidentifier NOT NULL,
        [ApplicationId] uniqueidentifier NULL,
        [AuthorizationId] uniqueidentifier NULL,
        [ConcurrencyToken] nvarchar(50) NULL,
        [CreationDate] datetime2 NULL,
        [ExpirationDate] datetime2 NULL,
        [Payload] nvarchar(max) NULL,
        [Properties] nvarchar(max) NULL,
        [RedemptionDate] datetime2 NULL,
        [ReferenceId] nvarchar(100) NULL,
        [Status] nvarchar(50) NULL,
        [Subject] nvarchar(400) NULL,
        [Type] nvarchar(150) NULL,
        CONSTRAINT [PK_OpenIddictTokens] PRIMARY KEY ([Id]),
        CONSTRAINT [FK_OpenIddictTokens_OpenIddictApplications_ApplicationId] FOREIGN KEY ([ApplicationId]) REFERENCES [OpenIddictApplications] ([Id]),
        CONSTRAINT [FK_OpenIddictTokens_OpenIddictAuthorizations_AuthorizationId] FOREIGN KEY ([AuthorizationId]) REFERENCES [OpenIddictAuthorizations] ([Id])
    );
END;

IF NOT EXISTS (
    SELECT * FROM [__EFMigrationsHistory]
    WHERE [MigrationId] = N'20261125130504_FeedAndServices'
)
BEGIN
    IF EXISTS (SELECT * FROM [sys].[identity_columns] WHERE [name] IN (N'Id', N'PrunedTo', N'Value') AND [object_id] = OBJECT_ID(N'[EventCounter]'))
        SET IDENTITY_INSERT [EventCounter] ON;
    EXEC(N'INSERT INTO [EventCounter] ([Id], [PrunedTo], [Value])
    VALUES (1, CAST(0 AS bigint), CAST(0 AS bigint))');
    IF EXISTS (SELECT * FROM [sys].[identity_columns] WHERE [name] IN (N'Id', N'PrunedTo', N'Value') AND [object_id] = OBJECT_ID(N'[EventCounter]'))
        SET IDENTITY_INSERT [EventCounter] OFF;
END;

IF NOT EXISTS (
    SELECT * FROM [__EFMigrationsHistory]
    WHERE [MigrationId] = N'20261125130504_FeedAndServices'
)
BEGIN
    IF EXISTS (SELECT * FROM [sys].[identity_columns] WHERE [name] IN (N'Id', N'Version') AND [object_id] = OBJECT_ID(N'[RegistryVersion]'))
        SET IDENTITY_INSERT [RegistryVersion] ON;
    EXEC(N'INSERT INTO [RegistryVersion] ([Id], [Version])
    VALUES (1, CAST(0 AS bigint))');
    IF EXISTS (SELECT * FROM [sys].[identity_columns] WHERE [name] IN (N'Id', N'Version') AND [object_id] = OBJECT_ID(N'[RegistryVersion]'))
        SET IDENTITY_INSERT [RegistryVersion] OFF;
END;

IF NOT EXISTS (
    SELECT * FROM [__EFMigrationsHistory]
    WHERE [MigrationId] = N'20261125130504_FeedAndServices'
)
BEGIN
    CREATE INDEX [IX_FeedReaders_ContactAt] ON [FeedReaders] ([ContactAt]);
END;

IF NOT EXISTS (
    SELECT * FROM [__EFMigrationsHistory]
    WHERE [MigrationId] = N'20261125130504_FeedAndServices'
)
BEGIN
    EXEC(N'CREATE UNIQUE INDEX [IX_OpenIddictApplications_ClientId] ON [OpenIddictApplications] ([ClientId]) WHERE [ClientId] IS NOT NULL');
END;

IF NOT EXISTS (
    SELECT * FROM [__EFMigrationsHistory]
    WHERE [MigrationId] = N'20261125130504_FeedAndServices'
)
BEGIN
    CREATE INDEX [IX_OpenIddictAuthorizations_ApplicationId_Status_Subject_Type] ON [OpenIddictAuthorizations] ([ApplicationId], [Status], [Subject], [Type]);
END;

IF NOT EXISTS (
    SELECT * FROM [__EFMigrationsHistory]
    WHERE [MigrationId] = N'20261125130504_FeedAndServices'
)
BEGIN
    EXEC(N'CREATE UNIQUE INDEX [IX_OpenIddictScopes_Name] ON [OpenIddictScopes] ([Name]) WHERE [Name] IS NOT NULL');
END;

IF NOT EXISTS (
    SELECT * FROM [__EFMigrationsHistory]
    WHERE [MigrationId] = N'20261125130504_FeedAndServices'
)
BEGIN
    CREATE INDEX [IX_OpenIddictTokens_ApplicationId_Status_Subject_Type] ON [OpenIddictTokens] ([ApplicationId], [Status], [Subject], [Type]);
END;

IF NOT EXISTS (
    SELECT * FROM [__EFMigrationsHistory]
    WHERE [MigrationId] = N'20261125130504_FeedAndServices'
)
BEGIN
    CREATE INDEX [IX_OpenIddictTokens_AuthorizationId] ON [OpenIddictTokens] ([AuthorizationId]);
END;

IF NOT EXISTS (
    SELECT * FROM [__EFMigrationsHistory]
    WHERE [MigrationId] = N'20261125130504_FeedAndServices'
)
BEGIN
    EXEC(N'CREATE UNIQUE INDEX [IX_OpenIddictTokens_ReferenceId] ON [OpenIddictTokens] ([ReferenceId]) WHERE [ReferenceId] IS NOT NULL');
END;

IF NOT EXISTS (
    SELECT * FROM [__EFMigrationsHistory]
    WHERE [MigrationId] = N'20261125130504_FeedAndServices'
)
BEGIN
    CREATE INDEX [IX_RevokedTokens_ExpiresAt] ON [RevokedTokens] ([ExpiresAt]);
END;

IF NOT EXISTS (
    SELECT * FROM [__EFMigrationsHistory]
    WHERE [MigrationId] = N'20261125130504_FeedAndServices'
)
BEGIN
    CREATE INDEX [IX_SecurityEventLog_ExpiresAt] ON [SecurityEventLog] ([ExpiresAt]);
END;

IF NOT EXISTS (
    SELECT * FROM [__EFMigrationsHistory]
    WHERE [MigrationId] = N'20261125130504_FeedAndServices'
)
BEGIN
    CREATE UNIQUE INDEX [IX_SecurityEventLog_Id] ON [SecurityEventLog] ([Id]);
END;

IF NOT EXISTS (
    SELECT * FROM [__EFMigrationsHistory]
    WHERE [MigrationId] = N'20261125130504_FeedAndServices'
)
BEGIN
    CREATE INDEX [IX_SecurityEventLog_SessionId] ON [SecurityEventLog] ([SessionId]);
END;

IF NOT EXISTS (
    SELECT * FROM [__EFMigrationsHistory]
    WHERE [MigrationId] = N'20261125130504_FeedAndServices'
)
BEGIN
    INSERT INTO [__EFMigrationsHistory] ([MigrationId], [ProductVersion])
    VALUES (N'20261125130504_FeedAndServices', N'10.0.14');
END;

COMMIT;
GO

BEGIN TRANSACTION;
IF NOT EXISTS (
    SELECT * FROM [__EFMigrationsHistory]
    WHERE [MigrationId] = N'20261125142810_PushReceivers'
)
BEGIN
    ALTER TABLE [OpenIddictApplications] ADD [PushSecret] varbinary(600) NULL;
END;

IF NOT EXISTS (
    SELECT * FROM [__EFMigrationsHistory]
    WHERE [MigrationId] = N'20261125142810_PushReceivers'
)
BEGIN
    ALTER TABLE [OpenIddictApplications] ADD [PushUrl] nvarchar(500) NULL;
END;

IF NOT EXISTS (
    SELECT * FROM [__EFMigrationsHistory]
    WHERE [MigrationId] = N'20261125142810_PushReceivers'
)
BEGIN
    CREATE TABLE [PushPositions] (
        [Service] nvarchar(100) NOT NULL,
        [Cursor] bigint NOT NULL,
        [Holder] uniqueidentifier NOT NULL,
        [HeldUntil] datetimeoffset NOT NULL,
        [Attempts] int NOT NULL,
        [FailingSince] datetimeoffset NULL,
        [NextAttemptAt] datetimeoffset NOT NULL,
        [LastError] nvarchar(100) NULL,
        CONSTRAINT [PK_PushPositions] PRIMARY KEY ([Service])
    );
END;

IF NOT EXISTS (
    SELECT * FROM [__EFMigrationsHistory]
    WHERE [MigrationId] = N'20261125142810_PushReceivers'
)
BEGIN
    CREATE TABLE [UndeliveredEvents] (
        [Service] nvarchar(100) NOT NULL,
        [Cursor] bigint NOT NULL,
        [EventId] uniqueidentifier NOT NULL,
        [Type] nvarchar(60) NOT NULL,
        [OccurredAt] datetimeoffset NOT NULL,
        [SetAsideAt] datetimeoffset NOT NULL,
        [Error] nvarchar(100) NOT NULL,
        [Payload] nvarchar(4000) NOT NULL,
        [Again] bit NOT NULL,
        CONSTRAINT [PK_UndeliveredEvents] PRIMARY KEY ([Service], [Cursor])
    );
END;

IF NOT EXISTS (
    SELECT * FROM [__EFMigrationsHistory]
    WHERE [MigrationId] = N'20261125142810_PushReceivers'
)
BEGIN
    CREATE INDEX [IX_UndeliveredEvents_Cursor] ON [UndeliveredEvents] ([Cursor]);
END;

IF NOT EXISTS (
    SELECT * FROM [__EFMigrationsHistory]
    WHERE [MigrationId] = N'20261125142810_PushReceivers'
)
BEGIN
    CREATE INDEX [IX_UndeliveredEvents_SetAsideAt] ON [UndeliveredEvents] ([SetAsideAt]);
END;

IF NOT EXISTS (
    SELECT * FROM [__EFMigrationsHistory]
    WHERE [MigrationId] = N'20261125142810_PushReceivers'
)
BEGIN
    INSERT INTO [__EFMigrationsHistory] ([MigrationId], [ProductVersion])
    VALUES (N'20261125142810_PushReceivers', N'10.0.14');
END;

COMMIT;
GO

BEGIN TRANSACTION;
IF NOT EXISTS (
    SELECT * FROM [__EFMigrationsHistory]
    WHERE [MigrationId] = N'20261125151823_BoundAudiences'
)
BEGIN
    CREATE TABLE [BoundAudiences] (
        [SessionId] uniqueidentifier NOT NULL,
        [Audience] nvarchar(200) NOT NULL,
        [UserId] uniqueidentifier NOT NULL,
        CONSTRAINT [PK_BoundAudiences] PRIMARY KEY ([SessionId], [Audience]),
        CONSTRAINT [FK_BoundAudiences_Sessions_SessionId] FOREIGN KEY ([SessionId]) REFERENCES [Sessions] ([Id]) ON DELETE CASCADE
    );
END;

IF NOT EXISTS (
    SELECT * FROM [__EFMigrationsHistory]
    WHERE [MigrationId] = N'20261125151823_BoundAudiences'
)
BEGIN
    CREATE INDEX [IX_BoundAudiences_UserId] ON [BoundAudiences] ([UserId]);
END;

IF NOT EXISTS (
    SELECT * FROM [__EFMigrationsHistory]
    WHERE [MigrationId] = N'20261125151823_BoundAudiences'
)
BEGIN
    INSERT INTO [__EFMigrationsHistory] ([MigrationId], [ProductVersion])
    VALUES (N'20261125151823_BoundAudiences', N'10.0.14');
END;

COMMIT;
GO

BEGIN TRANSACTION;
IF NOT EXISTS (
    SELECT * FROM [__EFMigrationsHistory]
    WHERE [MigrationId] = N'20261125152429_MailAndFactors'
)
BEGIN
    CREATE TABLE [Authenticators] (
        [UserId] uniqueidentifier NOT NULL,
        [Secret] varbinary(100) NOT NULL,
        [AddedAt] datetimeoffset NOT NULL,
        [LastStep] bigint NOT NULL,
        CONSTRAINT [PK_Authenticators] PRIMARY KEY ([UserId]),
        CONSTRAINT [FK_Authenticators_AspNetUsers_UserId] FOREIGN KEY ([UserId]) REFERENCES [AspNetUsers] ([Id]) ON DELETE CASCADE
    );
END;

IF NOT EXISTS (
    SELECT * FROM [__EFMigrationsHistory]
    WHERE [MigrationId] = N'20261125152429_MailAndFactors'
)
BEGIN
    CREATE TABLE [OneTimeLinks] (
        [Hash] varbinary(32) NOT NULL,
        [Purpose] nvarchar(40) NOT NULL,
        [UserId] uniqueidentifier NULL,
        [Details] nvarchar(2000) NULL,
        [Holds] varchar(43) NULL,
        [ExpiresAt] datetimeoffset NOT NULL,
        [UsedAt] datetimeoffset NULL,
        CONSTRAINT [PK_OneTimeLinks] PRIMARY KEY ([Hash]),
        CONSTRAINT [FK_OneTimeLinks_AspNetUsers_UserId] FOREIGN KEY ([UserId]) REFERENCES [AspNetUsers] ([Id]) ON DELETE CASCADE
    );
END;

IF NOT EXISTS (
    SELECT * FROM [__EFMigrationsHistory]
    WHERE [MigrationId] = N'20261125152429_MailAndFactors'
)
BEGIN
    CREATE TABLE [Outbox] (
        [Id] uniqueidentifier NOT NULL,
        [Draft] nvarchar(40) NULL,
        [CountedAs] varchar(43) NULL,
        [UserId] uniqueidentifier NULL,
        [Culture] nvarchar(20) NOT NULL,
        [Contents] varbinary(max) NULL,
        [CreatedAt] datetimeoffset NOT NULL,
        [DueAt] datetimeoffset NULL,
        [GiveUpAt] datetimeoffset NOT NULL,
        [Attempts] int NOT NULL,
        [SentAt] datetimeoffset NULL,
        [Fault] nvarchar(100) NULL,
        CONSTRAINT [PK_Outbox] PRIMARY KEY ([Id])
    );
END;

IF NOT EXISTS (
    SELECT * FROM [__EFMigrationsHistory]
    WHERE [MigrationId] = N'20261125152429_MailAndFactors'
)
BEGIN
    CREATE TABLE [Passkeys] (
        [Id] uniqueidentifier NOT NULL,
        [UserId] uniqueidentifier NOT NULL,
        [CredentialHash] varbinary(32) NOT NULL,
        [Name] nvarchar(60) NOT NULL,
        [CreatedAt] datetimeoffset NOT NULL,
        [LastUsedAt] datetimeoffset NULL,
        [IsSynced] bit NOT NULL,
        [SignCount] bigint NOT NULL,
        CONSTRAINT [PK_Passkeys] PRIMARY KEY ([Id]),
        CONSTRAINT [FK_Passkeys_AspNetUsers_UserId] FOREIGN KEY ([UserId]) REFERENCES [AspNetUsers] ([Id]) ON DELETE CASCADE
    );
END;

IF NOT EXISTS (
    SELECT * FROM [__EFMigrationsHistory]
    WHERE [MigrationId] = N'20261125152429_MailAndFactors'
)
BEGIN
    CREATE TABLE [RecoveryCodes] (
        [UserId] uniqueidentifier NOT NULL,
        [Hash] varbinary(32) NOT NULL,
        CONSTRAINT [PK_RecoveryCodes] PRIMARY KEY ([UserId], [Hash]),
        CONSTRAINT [FK_RecoveryCodes_AspNetUsers_UserId] FOREIGN KEY ([UserId]) REFERENCES [AspNetUsers] ([Id]) ON DELETE CASCADE
    );
END;

IF NOT EXISTS (
    SELECT * FROM [__EFMigrationsHistory]
    WHERE [MigrationId] = N'20261125152429_MailAndFactors'
)
BEGIN
    CREATE TABLE [SecondSteps] (
        [Key] varchar(43) NOT NULL,
        [UserId] uniqueidentifier NOT NULL,
        [Tries] int NOT NULL,
        [ExpiresAt] datetimeoffset NOT NULL,
        CONSTRAINT [PK_SecondSteps] PRIMARY KEY ([Key]),
        CONSTRAINT [FK_SecondSteps_AspNetUsers_UserId] FOREIGN KEY ([UserId]) REFERENCES [AspNetUsers] ([Id]) ON DELETE CASCADE
    );
END;

IF NOT EXISTS (
    SELECT * FROM [__EFMigrationsHistory]
    WHERE [MigrationId] = N'20261125152429_MailAndFactors'
)
BEGIN
    CREATE TABLE [UsedChallenges] (
        [Key] varchar(43) NOT NULL,
        [ExpiresAt] datetimeoffset NOT NULL,
        CONSTRAINT [PK_UsedChallenges] PRIMARY KEY ([Key])
    );
END;

IF NOT EXISTS (
    SELECT * FROM [__EFMigrationsHistory]
    WHERE [MigrationId] = N'20261125152429_MailAndFactors'
)
BEGIN
    CREATE INDEX [IX_OneTimeLinks_ExpiresAt] ON [OneTimeLinks] ([ExpiresAt]);
END;

IF NOT EXISTS (
    SELECT * FROM [__EFMigrationsHistory]
    WHERE [MigrationId] = N'20261125152429_MailAndFactors'
)
BEGIN
    CREATE INDEX [IX_OneTimeLinks_Holds] ON [OneTimeLinks] ([Holds]);
END;

IF NOT EXISTS (
    SELECT * FROM [__EFMigrationsHistory]
    WHERE [MigrationId] = N'20261125152429_MailAndFactors'
)
BEGIN
    CREATE INDEX [IX_OneTimeLinks_UserId] ON [OneTimeLinks] ([UserId]);
END;

IF NOT EXISTS (
    SELECT * FROM [__EFMigrationsHistory]
    WHERE [MigrationId] = N'20261125152429_MailAndFactors'
)
BEGIN
    CREATE INDEX [IX_Outbox_CountedAs_CreatedAt] ON [Outbox] ([CountedAs], [CreatedAt]);
END;

IF NOT EXISTS (
    SELECT * FROM [__EFMigrationsHistory]
    WHERE [MigrationId] = N'20261125152429_MailAndFactors'
)
BEGIN
    CREATE INDEX [IX_Outbox_DueAt] ON [Outbox] ([DueAt]);
END;

IF NOT EXISTS (
    SELECT * FROM [__EFMigrationsHistory]
    WHERE [MigrationId] = N'20261125152429_MailAndFactors'
)
BEGIN
    CREATE INDEX [IX_Outbox_UserId] ON [Outbox] ([UserId]);
END;

IF NOT EXISTS (
    SELECT * FROM [__EFMigrationsHistory]
    WHERE [MigrationId] = N'20261125152429_MailAndFactors'
)
BEGIN
    CREATE UNIQUE INDEX [IX_Passkeys_CredentialHash] ON [Passkeys] ([CredentialHash]);
END;

IF NOT EXISTS (
    SELECT * FROM [__EFMigrationsHistory]
    WHERE [MigrationId] = N'20261125152429_MailAndFactors'
)
BEGIN
    CREATE INDEX [IX_Passkeys_UserId] ON [Passkeys] ([UserId]);
END;

IF NOT EXISTS (
    SELECT * FROM [__EFMigrationsHistory]
    WHERE [MigrationId] = N'20261125152429_MailAndFactors'
)
BEGIN
    CREATE INDEX [IX_SecondSteps_ExpiresAt] ON [SecondSteps] ([ExpiresAt]);
END;

IF NOT EXISTS (
    SELECT * FROM [__EFMigrationsHistory]
    WHERE [MigrationId] = N'20261125152429_MailAndFactors'
)
BEGIN
    CREATE INDEX [IX_SecondSteps_UserId] ON [SecondSteps] ([UserId]);
END;

IF NOT EXISTS (
    SELECT * FROM [__EFMigrationsHistory]
    WHERE [MigrationId] = N'20261125152429_MailAndFactors'
)
BEGIN
    CREATE INDEX [IX_UsedChallenges_ExpiresAt] ON [UsedChallenges] ([ExpiresAt]);
END;

IF NOT EXISTS (
    SELECT * FROM [__EFMigrationsHistory]
    WHERE [MigrationId] = N'20261125152429_MailAndFactors'
)
BEGIN
    INSERT INTO [__EFMigrationsHistory] ([MigrationId], [ProductVersion])
    VALUES (N'20261125152429_MailAndFactors', N'10.0.14');
END;

COMMIT;
GO

BEGIN TRANSACTION;
IF NOT EXISTS (
    SELECT * FROM [__EFMigrationsHistory]
    WHERE [MigrationId] = N'20261129084822_UserLanguage'
)
BEGIN
    ALTER TABLE [AspNetUsers] ADD [Language] nvarchar(20) NULL;
END;

IF NOT EXISTS (
    SELECT * FROM [__EFMigrationsHistory]
    WHERE [MigrationId] = N'20261129084822_UserLanguage'
)
BEGIN
    INSERT INTO [__EFMigrationsHistory] ([MigrationId], [ProductVersion])
    VALUES (N'20261129084822_UserLanguage', N'10.0.14');
END;

COMMIT;
GO

BEGIN TRANSACTION;
IF NOT EXISTS (
    SELECT * FROM [__EFMigrationsHistory]
    WHERE [MigrationId] = N'20261129160047_TokenLives'
)
BEGIN
    CREATE TABLE [TokenLives] (
        [Seconds] int NOT NULL,
        [AliveUntil] datetimeoffset NOT NULL,
        CONSTRAINT [PK_TokenLives] PRIMARY KEY ([Seconds])
    );
END;

IF NOT EXISTS (
    SELECT * FROM [__EFMigrationsHistory]
    WHERE [MigrationId] = N'20261129160047_TokenLives'
)
BEGIN
    INSERT INTO [__EFMigrationsHistory] ([MigrationId], [ProductVersion])
    VALUES (N'20261129160047_TokenLives', N'10.0.14');
END;

COMMIT;
GO

BEGIN TRANSACTION;
IF NOT EXISTS (
    SELECT * FROM [__EFMigrationsHistory]
    WHERE [MigrationId] = N'20261129183837_ChangedClaims'
)
BEGIN
    ALTER TABLE [SecurityEventLog] ADD [Claims] nvarchar(1000) NULL;
END;

IF NOT EXISTS (
    SELECT * FROM [__EFMigrationsHistory]
    WHERE [MigrationId] = N'20261129183837_ChangedClaims'
)
BEGIN
    INSERT INTO [__EFMigrationsHistory] ([MigrationId], [ProductVersion])
    VALUES (N'20261129183837_ChangedClaims', N'10.0.14');
END;

COMMIT;
GO

BEGIN TRANSACTION;
IF NOT EXISTS (
    SELECT * FROM [__EFMigrationsHistory]
    WHERE [MigrationId] = N'20261129213358_UserNames'
)
BEGIN
    CREATE INDEX [NameIndex] ON [AspNetUsers] ([Name], [NormalizedEmail]);
END;

IF NOT EXISTS (
    SELECT * FROM [__EFMigrationsHistory]
    WHERE [MigrationId] = N'20261129213358_UserNames'
)
BEGIN
    INSERT INTO [__EFMigrationsHistory] ([MigrationId], [ProductVersion])
    VALUES (N'20261129213358_UserNames', N'10.0.14');
END;

COMMIT;
GO

BEGIN TRANSACTION;
IF NOT EXISTS (
    SELECT * FROM [__EFMigrationsHistory]
    WHERE [MigrationId] = N'20261130005421_AuditActor'
)
BEGIN
    ALTER TABLE [Audit] ADD [ActorId] uniqueidentifier NULL;
END;

IF NOT EXISTS (
    SELECT * FROM [__EFMigrationsHistory]
    WHERE [MigrationId] = N'20261130005421_AuditActor'
)
BEGIN
    INSERT INTO [__EFMigrationsHistory] ([MigrationId], [ProductVersion])
    VALUES (N'20261130005421_AuditActor', N'10.0.14');
END;

COMMIT;
GO

BEGIN TRANSACTION;
IF NOT EXISTS (
    SELECT * FROM [__EFMigrationsHistory]
    WHERE [MigrationId] = N'20261130174240_GuessesInARow'
)
BEGIN
    ALTER TABLE [GuessLimits] ADD [InARow] int NOT NULL DEFAULT 0;
END;

IF NOT EXISTS (
    SELECT * FROM [__EFMigrationsHistory]
    WHERE [MigrationId] = N'20261130174240_GuessesInARow'
)
BEGIN
    INSERT INTO [__EFMigrationsHistory] ([MigrationId], [ProductVersion])
    VALUES (N'20261130174240_GuessesInARow', N'10.0.14');
END;

COMMIT;
GO

