using System;
using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace App.Migrations.SqlServer
{
    /// <inheritdoc />
    public partial class PushReceivers : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.AddColumn<byte[]>(
                name: "PushSecret",
                table: "OpenIddictApplications",
                type: "varbinary(600)",
                maxLength: 600,
                nullable: true);

            migrationBuilder.AddColumn<string>(
                name: "PushUrl",
                table: "OpenIddictApplications",
                type: "nvarchar(500)",
                maxLength: 500,
                nullable: true);

            migrationBuilder.CreateTable(
                name: "PushPositions",
                columns: table => new
                {
                    Service = table.Column<string>(type: "nvarchar(100)", maxLength: 100, nullable: false),
                    Cursor = table.Column<long>(type: "bigint", nullable: false),
                    Holder = table.Column<Guid>(type: "uniqueidentifier", nullable: false),
                    HeldUntil = table.Column<DateTimeOffset>(type: "datetimeoffset", nullable: false),
                    Attempts = table.Column<int>(type: "int", nullable: false),
                    FailingSince = table.Column<DateTimeOffset>(type: "datetimeoffset", nullable: true),
                    NextAttemptAt = table.Column<DateTimeOffset>(type: "datetimeoffset", nullable: false),
                    LastError = table.Column<string>(type: "nvarchar(100)", maxLength: 100, nullable: true)
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_PushPositions", x => x.Service);
                });

            migrationBuilder.CreateTable(
                name: "UndeliveredEvents",
                columns: table => new
                {
                    Service = table.Column<string>(type: "nvarchar(100)", maxLength: 100, nullable: false),
                    Cursor = table.Column<long>(type: "bigint", nullable: false),
                    EventId = table.Column<Guid>(type: "uniqueidentifier", nullable: false),
                    Type = table.Column<string>(type: "nvarchar(60)", maxLength: 60, nullable: false),
                    OccurredAt = table.Column<DateTimeOffset>(type: "datetimeoffset", nullable: false),
                    SetAsideAt = table.Column<DateTimeOffset>(type: "datetimeoffset", nullable: false),
                    Error = table.Column<string>(type: "nvarchar(100)", maxLength: 100, nullable: false),
                    Payload = table.Column<string>(type: "nvarchar(4000)", maxLength: 4000, nullable: false),
                    Again = table.Column<bool>(type: "bit", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_UndeliveredEvents", x => new { x.Service, x.Cursor });
                });

            migrationBuilder.CreateIndex(
                name: "IX_UndeliveredEvents_Cursor",
                table: "UndeliveredEvents",
                column: "Cursor");

            migrationBuilder.CreateIndex(
                name: "IX_UndeliveredEvents_SetAsideAt",
                table: "UndeliveredEvents",
                column: "SetAsideAt");
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropTable(
                name: "PushPositions");

            migrationBuilder.DropTable(
                name: "UndeliveredEvents");

            migrationBuilder.DropColumn(
                name: "PushSecret",
                table: "OpenIddictApplications");

            migrationBuilder.DropColumn(
                name: "PushUrl",
                table: "OpenIddictApplications");
        }
    }
}
