CREATE TABLE "__EFMigrationsLock" (
    "Id" INTEGER NOT NULL CONSTRAINT "PK___EFMigrationsLock" PRIMARY KEY,
    "Timestamp" TEXT NOT NULL
);
CREATE TABLE "__EFMigrationsHistory" (
    "MigrationId" TEXT NOT NULL CONSTRAINT "PK___EFMigrationsHistory" PRIMARY KEY,
    "ProductVersion" TEXT NOT NULL
);
CREATE TABLE "AspNetRoles" (
    "Id" TEXT NOT NULL CONSTRAINT "PK_AspNetRoles" PRIMARY KEY,
    "Name" TEXT NULL,
    "NormalizedName" TEXT NULL,
    "ConcurrencyStamp" TEXT NULL
);
CREATE TABLE "AspNetUsers" (
    "Id" TEXT NOT NULL CONSTRAINT "PK_AspNetUsers" PRIMARY KEY,
    "Name" TEXT NULL,
    "CreatedAt" INTEGER NOT NULL,
    "UserName" TEXT NULL,
    "NormalizedUserName" TEXT NULL,
    "Email" TEXT NULL,
    "NormalizedEmail" TEXT NULL,
    "EmailConfirmed" INTEGER NOT NULL,
    "PasswordHash" TEXT NULL,
    "SecurityStamp" TEXT NULL,
    "ConcurrencyStamp" TEXT NULL,
    "PhoneNumber" TEXT NULL,
    "PhoneNumberConfirmed" INTEGER NOT NULL,
    "TwoFactorEnabled" INTEGER NOT NULL,
    "LockoutEnd" INTEGER NULL,
    "LockoutEnabled" INTEGER NOT NULL,
    "AccessFailedCount" INTEGER NOT NULL
, "TokensNotBefore" INTEGER NULL, "Language" TEXT NULL);
CREATE TABLE "Audit" (
    "Id" INTEGER NOT NULL CONSTRAINT "PK_Audit" PRIMARY KEY AUTOINCREMENT,
    "At" INTEGER NOT NULL,
    "Action" TEXT NOT NULL,
    "UserId" TEXT NULL,
    "SessionId" TEXT NULL,
    "Address" TEXT NULL,
    "Detail" TEXT NULL
, "ActorId" TEXT NULL);
CREATE TABLE "DataProtectionKeys" (
    "Id" INTEGER NOT NULL CONSTRAINT "PK_DataProtectionKeys" PRIMARY KEY AUTOINCREMENT,
    "FriendlyName" TEXT NULL,
    "Xml" TEXT NULL
);
CREATE TABLE "GuessLimits" (
    "Key" TEXT NOT NULL CONSTRAINT "PK_GuessLimits" PRIMARY KEY,
    "Failures" INTEGER NOT NULL,
    "Pending" INTEGER NOT NULL,
    "PendingSince" INTEGER NULL,
    "Locks" INTEGER NOT NULL,
    "LastAt" INTEGER NOT NULL,
    "LockedUntil" INTEGER NULL,
    "Version" INTEGER NOT NULL
, "InARow" INTEGER NOT NULL DEFAULT 0);
CREATE TABLE "SigningKeys" (
    "Id" TEXT NOT NULL CONSTRAINT "PK_SigningKeys" PRIMARY KEY,
    "State" TEXT NOT NULL,
    "PublicKey" BLOB NOT NULL,
    "PrivateKey" BLOB NULL,
    "CreatedAt" INTEGER NOT NULL,
    "ActivatedAt" INTEGER NULL,
    "EndedAt" INTEGER NULL
);
CREATE TABLE "AspNetRoleClaims" (
    "Id" INTEGER NOT NULL CONSTRAINT "PK_AspNetRoleClaims" PRIMARY KEY AUTOINCREMENT,
    "RoleId" TEXT NOT NULL,
    "ClaimType" TEXT NULL,
    "ClaimValue" TEXT NULL,
    CONSTRAINT "FK_AspNetRoleClaims_AspNetRoles_RoleId" FOREIGN KEY ("RoleId") REFERENCES "AspNetRoles" ("Id") ON DELETE CASCADE
);
CREATE TABLE "AspNetUserClaims" (
    "Id" INTEGER NOT NULL CONSTRAINT "PK_AspNetUserClaims" PRIMARY KEY AUTOINCREMENT,
    "UserId" TEXT NOT NULL,
    "ClaimType" TEXT NULL,
    "ClaimValue" TEXT NULL,
    CONSTRAINT "FK_AspNetUserClaims_AspNetUsers_UserId" FOREIGN KEY ("UserId") REFERENCES "AspNetUsers" ("Id") ON DELETE CASCADE
);
CREATE TABLE "AspNetUserLogins" (
    "LoginProvider" TEXT NOT NULL,
    "ProviderKey" TEXT NOT NULL,
    "ProviderDisplayName" TEXT NULL,
    "UserId" TEXT NOT NULL,
    CONSTRAINT "PK_AspNetUserLogins" PRIMARY KEY ("LoginProvider", "ProviderKey"),
    CONSTRAINT "FK_AspNetUserLogins_AspNetUsers_UserId" FOREIGN KEY ("UserId") REFERENCES "AspNetUsers" ("Id") ON DELETE CASCADE
);
CREATE TABLE "AspNetUserPasskeys" (
    "CredentialId" BLOB NOT NULL CONSTRAINT "PK_AspNetUserPasskeys" PRIMARY KEY,
    "UserId" TEXT NOT NULL,
    "Data" TEXT NOT NULL,
    CONSTRAINT "FK_AspNetUserPasskeys_AspNetUsers_UserId" FOREIGN KEY ("UserId") REFERENCES "AspNetUsers" ("Id") ON DELETE CASCADE
);
CREATE TABLE "AspNetUserRoles" (
    "UserId" TEXT NOT NULL,
    "RoleId" TEXT NOT NULL,
    CONSTRAINT "PK_AspNetUserRoles" PRIMARY KEY ("UserId", "RoleId"),
    CONSTRAINT "FK_AspNetUserRoles_AspNetRoles_RoleId" FOREIGN KEY ("RoleId") REFERENCES "AspNetRoles" ("Id") ON DELETE CASCADE,
    CONSTRAINT "FK_AspNetUserRoles_AspNetUsers_UserId" FOREIGN KEY ("UserId") REFERENCES "AspNetUsers" ("Id") ON DELETE CASCADE
);
CREATE TABLE "AspNetUserTokens" (
    "UserId" TEXT NOT NULL,
    "LoginProvider" TEXT NOT NULL,
    "Name" TEXT NOT NULL,
    "Value" TEXT NULL,
    CONSTRAINT "PK_AspNetUserTokens" PRIMARY KEY ("UserId", "LoginProvider", "Name"),
    CONSTRAINT "FK_AspNetUserTokens_AspNetUsers_UserId" FOREIGN KEY ("UserId") REFERENCES "AspNetUsers" ("Id") ON DELETE CASCADE
);
CREATE TABLE "Sessions" (
    "Id" TEXT NOT NULL CONSTRAINT "PK_Sessions" PRIMARY KEY,
    "UserId" TEXT NOT NULL,
    "StartedAt" INTEGER NOT NULL,
    "LastSeenAt" INTEGER NOT NULL,
    "ExpiresAt" INTEGER NOT NULL,
    "AuthenticatedAt" INTEGER NOT NULL,
    "RevokedAt" INTEGER NULL,
    "RevokedBecause" TEXT NULL,
    "Amr" TEXT NOT NULL,
    "Address" TEXT NOT NULL,
    "UserAgent" TEXT NOT NULL,
    "RefreshHash" BLOB NOT NULL,
    "ParentHash" BLOB NULL,
    "RotatedAt" INTEGER NULL,
    CONSTRAINT "FK_Sessions_AspNetUsers_UserId" FOREIGN KEY ("UserId") REFERENCES "AspNetUsers" ("Id") ON DELETE CASCADE
);
CREATE INDEX "IX_AspNetRoleClaims_RoleId" ON "AspNetRoleClaims" ("RoleId");
CREATE UNIQUE INDEX "RoleNameIndex" ON "AspNetRoles" ("NormalizedName");
CREATE INDEX "IX_AspNetUserClaims_UserId" ON "AspNetUserClaims" ("UserId");
CREATE INDEX "IX_AspNetUserLogins_UserId" ON "AspNetUserLogins" ("UserId");
CREATE INDEX "IX_AspNetUserPasskeys_UserId" ON "AspNetUserPasskeys" ("UserId");
CREATE INDEX "IX_AspNetUserRoles_RoleId" ON "AspNetUserRoles" ("RoleId");
CREATE UNIQUE INDEX "EmailIndex" ON "AspNetUsers" ("NormalizedEmail");
CREATE UNIQUE INDEX "UserNameIndex" ON "AspNetUsers" ("NormalizedUserName");
CREATE INDEX "IX_Audit_UserId_Id" ON "Audit" ("UserId", "Id");
CREATE INDEX "IX_GuessLimits_LastAt" ON "GuessLimits" ("LastAt");
CREATE INDEX "IX_Sessions_ExpiresAt" ON "Sessions" ("ExpiresAt");
CREATE INDEX "IX_Sessions_UserId_RevokedAt" ON "Sessions" ("UserId", "RevokedAt");
CREATE UNIQUE INDEX "IX_SigningKeys_State" ON "SigningKeys" ("State") WHERE State IN ('Current', 'Next');
CREATE TABLE "EventCounter" (
    "Id" INTEGER NOT NULL CONSTRAINT "PK_EventCounter" PRIMARY KEY,
    "Value" INTEGER NOT NULL,
    "PrunedTo" INTEGER NOT NULL
);
CREATE TABLE "FeedReaders" (
    "Service" TEXT NOT NULL,
    "Instance" TEXT NOT NULL,
    "Audience" TEXT NULL,
    "ContactAt" INTEGER NOT NULL,
    "Applied" INTEGER NOT NULL,
    "Ahead" TEXT NULL,
    "Acks" TEXT NOT NULL,
    CONSTRAINT "PK_FeedReaders" PRIMARY KEY ("Service", "Instance")
);
CREATE TABLE "OpenIddictApplications" (
    "Id" TEXT NOT NULL CONSTRAINT "PK_OpenIddictApplications" PRIMARY KEY,
    "Trust" TEXT NOT NULL,
    "Audience" TEXT NULL,
    "Declared" INTEGER NOT NULL,
    "CreatedAt" INTEGER NOT NULL,
    "LastContactAt" INTEGER NULL,
    "SecretHash" BLOB NOT NULL,
    "SecretSetAt" INTEGER NOT NULL,
    "OldSecretHash" BLOB NULL,
    "OldSecretSetAt" INTEGER NULL,
    "ApplicationType" TEXT NULL,
    "ClientId" TEXT NULL,
    "ClientSecret" TEXT NULL,
    "ClientType" TEXT NULL,
    "ConcurrencyToken" TEXT NULL,
    "ConsentType" TEXT NULL,
    "DisplayName" TEXT NULL,
    "DisplayNames" TEXT NULL,
    "JsonWebKeySet" TEXT NULL,
    "Permissions" TEXT NULL,
    "PostLogoutRedirectUris" TEXT NULL,
    "Properties" TEXT NULL,
    "RedirectUris" TEXT NULL,
    "Requirements" TEXT NULL,
    "Settings" TEXT NULL
, "PushSecret" BLOB NULL, "PushUrl" TEXT NULL);
CREATE TABLE "OpenIddictScopes" (
    "Id" TEXT NOT NULL CONSTRAINT "PK_OpenIddictScopes" PRIMARY KEY,
    "ConcurrencyToken" TEXT NULL,
    "Description" TEXT NULL,
    "Descriptions" TEXT NULL,
    "DisplayName" TEXT NULL,
    "DisplayNames" TEXT NULL,
    "Name" TEXT NULL,
    "Properties" TEXT NULL,
    "Resources" TEXT NULL
);
CREATE TABLE "RegistryVersion" (
    "Id" INTEGER NOT NULL CONSTRAINT "PK_RegistryVersion" PRIMARY KEY,
    "Version" INTEGER NOT NULL
);
CREATE TABLE "RevokedTokens" (
    "Id" TEXT NOT NULL CONSTRAINT "PK_RevokedTokens" PRIMARY KEY,
    "ExpiresAt" INTEGER NOT NULL
);
CREATE TABLE "SecurityEventLog" (
    "Cursor" INTEGER NOT NULL CONSTRAINT "PK_SecurityEventLog" PRIMARY KEY,
    "Id" TEXT NOT NULL,
    "Type" TEXT NOT NULL,
    "OccurredAt" INTEGER NOT NULL,
    "ExpiresAt" INTEGER NOT NULL,
    "UserId" TEXT NULL,
    "SessionId" TEXT NULL,
    "KeyId" TEXT NULL,
    "NotBefore" INTEGER NULL,
    "Audiences" TEXT NULL,
    "Reason" TEXT NOT NULL
, "Claims" TEXT NULL);
CREATE TABLE "OpenIddictAuthorizations" (
    "Id" TEXT NOT NULL CONSTRAINT "PK_OpenIddictAuthorizations" PRIMARY KEY,
    "ApplicationId" TEXT NULL,
    "ConcurrencyToken" TEXT NULL,
    "CreationDate" TEXT NULL,
    "Properties" TEXT NULL,
    "Scopes" TEXT NULL,
    "Status" TEXT NULL,
    "Subject" TEXT NULL,
    "Type" TEXT NULL,
    CONSTRAINT "FK_OpenIddictAuthorizations_OpenIddictApplications_ApplicationId" FOREIGN KEY ("ApplicationId") REFERENCES "OpenIddictApplications" ("Id")
);
CREATE TABLE "OpenIddictTokens" (
    "Id" TEXT NOT NULL CONSTRAINT "PK_OpenIddictTokens" PRIMARY KEY,
    "ApplicationId" TEXT NULL,
    "AuthorizationId" TEXT NULL,
    "ConcurrencyToken" TEXT NULL,
    "CreationDate" TEXT NULL,
    "ExpirationDate" TEXT NULL,
    "Payload" TEXT NULL,
    "Properties" TEXT NULL,
    "RedemptionDate" TEXT NULL,
    "ReferenceId" TEXT NULL,
    "Status" TEXT NULL,
    "Subject" TEXT NULL,
    "Type" TEXT NULL,
    CONSTRAINT "FK_OpenIddictTokens_OpenIddictApplications_ApplicationId" FOREIGN KEY ("ApplicationId") REFERENCES "OpenIddictApplications" ("Id"),
    CONSTRAINT "FK_OpenIddictTokens_OpenIddictAuthorizations_AuthorizationId" FOREIGN KEY ("AuthorizationId") REFERENCES "OpenIddictAuthorizations" ("Id")
);
CREATE INDEX "IX_FeedReaders_ContactAt" ON "FeedReaders" ("ContactAt");
CREATE UNIQUE INDEX "IX_OpenIddictApplications_ClientId" ON "OpenIddictApplications" ("ClientId");
CREATE INDEX "IX_OpenIddictAuthorizations_ApplicationId_Status_Subject_Type" ON "OpenIddictAuthorizations" ("ApplicationId", "Status", "Subject", "Type");
CREATE UNIQUE INDEX "IX_OpenIddictScopes_Name" ON "OpenIddictScopes" ("Name");
CREATE INDEX "IX_OpenIddictTokens_ApplicationId_Status_Subject_Type" ON "OpenIddictTokens" ("ApplicationId", "Status", "Subject", "Type");
CREATE INDEX "IX_OpenIddictTokens_AuthorizationId" ON "OpenIddictTokens" ("AuthorizationId");
CREATE UNIQUE INDEX "IX_OpenIddictTokens_ReferenceId" ON "OpenIddictTokens" ("ReferenceId");
CREATE INDEX "IX_RevokedTokens_ExpiresAt" ON "RevokedTokens" ("ExpiresAt");
CREATE INDEX "IX_SecurityEventLog_ExpiresAt" ON "SecurityEventLog" ("ExpiresAt");
CREATE UNIQUE INDEX "IX_SecurityEventLog_Id" ON "SecurityEventLog" ("Id");
CREATE INDEX "IX_SecurityEventLog_SessionId" ON "SecurityEventLog" ("SessionId");
CREATE TABLE "PushPositions" (
    "Service" TEXT NOT NULL CONSTRAINT "PK_PushPositions" PRIMARY KEY,
    "Cursor" INTEGER NOT NULL,
    "Holder" TEXT NOT NULL,
    "HeldUntil" INTEGER NOT NULL,
    "Attempts" INTEGER NOT NULL,
    "FailingSince" INTEGER NULL,
    "NextAttemptAt" INTEGER NOT NULL,
    "LastError" TEXT NULL
);
CREATE TABLE "UndeliveredEvents" (
    "Service" TEXT NOT NULL,
    "Cursor" INTEGER NOT NULL,
    "EventId" TEXT NOT NULL,
    "Type" TEXT NOT NULL,
    "OccurredAt" INTEGER NOT NULL,
    "SetAsideAt" INTEGER NOT NULL,
    "Error" TEXT NOT NULL,
    "Payload" TEXT NOT NULL,
    "Again" INTEGER NOT NULL,
    CONSTRAINT "PK_UndeliveredEvents" PRIMARY KEY ("Service", "Cursor")
);
CREATE INDEX "IX_UndeliveredEvents_Cursor" ON "UndeliveredEvents" ("Cursor");
CREATE INDEX "IX_UndeliveredEvents_SetAsideAt" ON "UndeliveredEvents" ("SetAsideAt");
CREATE TABLE "BoundAudiences" (
    "SessionId" TEXT NOT NULL,
    "Audience" TEXT NOT NULL,
    "UserId" TEXT NOT NULL,
    CONSTRAINT "PK_BoundAudiences" PRIMARY KEY ("SessionId", "Audience"),
    CONSTRAINT "FK_BoundAudiences_Sessions_SessionId" FOREIGN KEY ("SessionId") REFERENCES "Sessions" ("Id") ON DELETE CASCADE
);
CREATE INDEX "IX_BoundAudiences_UserId" ON "BoundAudiences" ("UserId");
CREATE TABLE "Authenticators" (
    "UserId" TEXT NOT NULL CONSTRAINT "PK_Authenticators" PRIMARY KEY,
    "Secret" BLOB NOT NULL,
    "AddedAt" INTEGER NOT NULL,
    "LastStep" INTEGER NOT NULL,
    CONSTRAINT "FK_Authenticators_AspNetUsers_UserId" FOREIGN KEY ("UserId") REFERENCES "AspNetUsers" ("Id") ON DELETE CASCADE
);
CREATE TABLE "OneTimeLinks" (
    "Hash" BLOB NOT NULL CONSTRAINT "PK_OneTimeLinks" PRIMARY KEY,
    "Purpose" TEXT NOT NULL,
    "UserId" TEXT NULL,
    "Details" TEXT NULL,
    "Holds" TEXT NULL,
    "ExpiresAt" INTEGER NOT NULL,
    "UsedAt" INTEGER NULL,
    CONSTRAINT "FK_OneTimeLinks_AspNetUsers_UserId" FOREIGN KEY ("UserId") REFERENCES "AspNetUsers" ("Id") ON DELETE CASCADE
);
CREATE TABLE "Outbox" (
    "Id" TEXT NOT NULL CONSTRAINT "PK_Outbox" PRIMARY KEY,
    "Draft" TEXT NULL,
    "CountedAs" TEXT NULL,
    "UserId" TEXT NULL,
    "Culture" TEXT NOT NULL,
    "Contents" BLOB NULL,
    "CreatedAt" INTEGER NOT NULL,
    "DueAt" INTEGER NULL,
    "GiveUpAt" INTEGER NOT NULL,
    "Attempts" INTEGER NOT NULL,
    "SentAt" INTEGER NULL,
    "Fault" TEXT NULL
);
CREATE TABLE "Passkeys" (
    "Id" TEXT NOT NULL CONSTRAINT "PK_Passkeys" PRIMARY KEY,
    "UserId" TEXT NOT NULL,
    "CredentialHash" BLOB NOT NULL,
    "Name" TEXT NOT NULL,
    "CreatedAt" INTEGER NOT NULL,
    "LastUsedAt" INTEGER NULL,
    "IsSynced" INTEGER NOT NULL,
    "SignCount" INTEGER NOT NULL,
    CONSTRAINT "FK_Passkeys_AspNetUsers_UserId" FOREIGN KEY ("UserId") REFERENCES "AspNetUsers" ("Id") ON DELETE CASCADE
);
CREATE TABLE "RecoveryCodes" (
    "UserId" TEXT NOT NULL,
    "Hash" BLOB NOT NULL,
    CONSTRAINT "PK_RecoveryCodes" PRIMARY KEY ("UserId", "Hash"),
    CONSTRAINT "FK_RecoveryCodes_AspNetUsers_UserId" FOREIGN KEY ("UserId") REFERENCES "AspNetUsers" ("Id") ON DELETE CASCADE
);
CREATE TABLE "SecondSteps" (
    "Key" TEXT NOT NULL CONSTRAINT "PK_SecondSteps" PRIMARY KEY,
    "UserId" TEXT NOT NULL,
    "Tries" INTEGER NOT NULL,
    "ExpiresAt" INTEGER NOT NULL,
    CONSTRAINT "FK_SecondSteps_AspNetUsers_UserId" FOREIGN KEY ("UserId") REFERENCES "AspNetUsers" ("Id") ON DELETE CASCADE
);
CREATE TABLE "UsedChallenges" (
    "Key" TEXT NOT NULL CONSTRAINT "PK_UsedChallenges" PRIMARY KEY,
    "ExpiresAt" INTEGER NOT NULL
);
CREATE INDEX "IX_OneTimeLinks_ExpiresAt" ON "OneTimeLinks" ("ExpiresAt");
CREATE INDEX "IX_OneTimeLinks_Holds" ON "OneTimeLinks" ("Holds");
CREATE INDEX "IX_OneTimeLinks_UserId" ON "OneTimeLinks" ("UserId");
CREATE INDEX "IX_Outbox_CountedAs_CreatedAt" ON "Outbox" ("CountedAs", "CreatedAt");
CREATE INDEX "IX_Outbox_DueAt" ON "Outbox" ("DueAt");
CREATE INDEX "IX_Outbox_UserId" ON "Outbox" ("UserId");
CREATE UNIQUE INDEX "IX_Passkeys_CredentialHash" ON "Passkeys" ("CredentialHash");
CREATE INDEX "IX_Passkeys_UserId" ON "Passkeys" ("UserId");
CREATE INDEX "IX_SecondSteps_ExpiresAt" ON "SecondSteps" ("ExpiresAt");
CREATE INDEX "IX_SecondSteps_UserId" ON "SecondSteps" ("UserId");
CREATE INDEX "IX_UsedChallenges_ExpiresAt" ON "UsedChallenges" ("ExpiresAt");
CREATE TABLE "TokenLives" (
    "Seconds" INTEGER NOT NULL CONSTRAINT "PK_TokenLives" PRIMARY KEY,
    "AliveUntil" INTEGER NOT NULL
);
CREATE INDEX "NameIndex" ON "AspNetUsers" ("Name" COLLATE NOCASE, "NormalizedEmail")
;
INSERT INTO "__EFMigrationsHistory" VALUES ('20261123154701_Initial', '10.0.14');
INSERT INTO "__EFMigrationsHistory" VALUES ('20261125130457_FeedAndServices', '10.0.14');
INSERT INTO "__EFMigrationsHistory" VALUES ('20261125142757_PushReceivers', '10.0.14');
INSERT INTO "__EFMigrationsHistory" VALUES ('20261125151813_BoundAudiences', '10.0.14');
INSERT INTO "__EFMigrationsHistory" VALUES ('20261125152423_MailAndFactors', '10.0.14');
INSERT INTO "__EFMigrationsHistory" VALUES ('20261129084801_UserLanguage', '10.0.14');
INSERT INTO "__EFMigrationsHistory" VALUES ('20261129160041_TokenLives', '10.0.14');
INSERT INTO "__EFMigrationsHistory" VALUES ('20261129183623_ChangedClaims', '10.0.14');
INSERT INTO "__EFMigrationsHistory" VALUES ('20261129213354_UserNames', '10.0.14');
INSERT INTO "__EFMigrationsHistory" VALUES ('20261130005354_AuditActor', '10.0.14');
INSERT INTO "__EFMigrationsHistory" VALUES ('20261130174031_GuessesInARow', '10.0.14');
INSERT INTO "EventCounter" VALUES (1, 0, 0);
INSERT INTO "RegistryVersion" VALUES (1, 0);
