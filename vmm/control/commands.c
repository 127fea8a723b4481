// SPDX-License-Identifier: GPL-2.0-or-later
/* The table of commands: dispatch, query-commands and query-qmp-schema. */
#include "commands.h"

#include <stddef.h>

/* Name, function, arguments, result. */
#define COMMAND(n, f, a, r)                              \
	{                                                \
		.name = n, .run = f, .args = a, .ret = r \
	}
/* One that can overtake others. */
#define URGENT(n, f, a, r)                                            \
	{                                                             \
		.name = n, .run = f, .args = a, .ret = r, .oob = true \
	}

const struct qmp_command qmp_commands[] = {
	/* The protocol. */
	COMMAND("qmp_capabilities", qmp_capabilities, "enable?:[QMPCapability]",
		NULL),
	COMMAND("query-version", qmp_query_version, NULL, "VersionInfo"),
	COMMAND("query-commands", qmp_query_commands, NULL, "[CommandInfo]"),
	COMMAND("query-qmp-schema", qmp_query_schema, NULL, "[SchemaInfo]"),

	/* The machine. */
	URGENT("query-status", cmd_query_status, NULL, "StatusInfo"),
	COMMAND("query-name", cmd_query_name, NULL, "NameInfo"),
	COMMAND("query-uuid", cmd_query_uuid, NULL, "UuidInfo"),
	COMMAND("query-kvm", cmd_query_kvm, NULL, "KvmInfo"),
	COMMAND("query-target", cmd_query_target, NULL, "TargetInfo"),
	COMMAND("query-cpus-fast", cmd_query_cpus, NULL, "[CpuInfoFast]"),
	COMMAND("query-memory-size-summary", cmd_query_memory, NULL,
		"MemoryInfo"),
	COMMAND("query-iothreads", cmd_query_iothreads, NULL, "[IOThreadInfo]"),
	COMMAND("x-vireo-query-vm", cmd_query_vm, NULL, "VireoInfo"),
	COMMAND("x-vireo-query-config", cmd_query_config, NULL, "any"),
	URGENT("stop", cmd_stop, NULL, NULL),
	COMMAND("cont", cmd_cont, NULL, NULL),
	COMMAND("system_reset", cmd_reset, NULL, NULL),
	COMMAND("system_powerdown", cmd_powerdown, NULL, NULL),
	URGENT("quit", cmd_quit, NULL, NULL),

	COMMAND("x-vireo-snapshot", cmd_snapshot,
		"state:str memory:str live?:bool", "VireoSnapshot"),

	/* Its devices. */
	COMMAND("query-block", cmd_query_block, NULL, "[BlockInfo]"),
	COMMAND("query-blockstats", cmd_query_blockstats, "query-nodes?:bool",
		"[BlockStats]"),
	COMMAND("block_resize", cmd_block_resize,
		"device?:str node-name?:str size:int", NULL),
	COMMAND("block_set_io_throttle", cmd_block_set_io_throttle,
		"device?:str id?:str iops:int iops_rd:int iops_wr:int bps:int "
		"bps_rd:int bps_wr:int iops_max?:int iops_rd_max?:int "
		"iops_wr_max?:int bps_max?:int bps_rd_max?:int bps_wr_max?:int",
		NULL),
	COMMAND("eject", cmd_eject, "device?:str id?:str force?:bool", NULL),
	COMMAND("blockdev-change-medium", cmd_change_medium,
		"device?:str id?:str filename:str format?:str force?:bool "
		"read-only-mode?:BlockdevChangeReadOnlyMode",
		NULL),
	COMMAND("x-vireo-scsi-add", cmd_scsi_add,
		"path:str format?:str readonly?:bool serial?:str "
		"on-error?:VireoOnError iops?:int iops-burst?:int bps?:int "
		"bps-burst?:int",
		"VireoScsiDisk"),
	COMMAND("x-vireo-scsi-remove", cmd_scsi_remove, "id:str", NULL),
	COMMAND("query-rx-filter", cmd_query_rx_filter, "name?:str",
		"[RxFilterInfo]"),
	COMMAND("x-vireo-query-net", cmd_query_net, NULL, "[VireoNet]"),
	COMMAND("set_link", cmd_set_link, "name:str up:bool", NULL),
	COMMAND("announce-self", cmd_announce_self,
		"initial:int max:int rounds:int step:int interfaces?:[str] "
		"id?:str",
		NULL),
	/* Devices that come and go. */
	COMMAND("blockdev-add", cmd_blockdev_add, "@BlockdevOptions", NULL),
	COMMAND("blockdev-del", cmd_blockdev_del, "node-name:str", NULL),
	COMMAND("netdev_add", cmd_netdev_add, "@Netdev", NULL),
	COMMAND("netdev_del", cmd_netdev_del, "id:str", NULL),
	COMMAND("object-add", cmd_object_add, "@ObjectOptions", NULL),
	COMMAND("object-del", cmd_object_del, "id:str", NULL),
	COMMAND("device_add", cmd_device_add, "driver:str bus?:str id?:str ...",
		NULL),
	COMMAND("device_del", cmd_device_del, "id:str", NULL),
	COMMAND("query-chardev", cmd_query_chardev, NULL, "[ChardevInfo]"),
	COMMAND("query-pci", cmd_query_pci, NULL, "[PciInfo]"),
	COMMAND("qom-list", cmd_qom_list, "path:str", "[ObjectPropertyInfo]"),
	COMMAND("qom-get", cmd_qom_get, "path:str property:str", "any"),
	COMMAND("qom-list-types", cmd_qom_list_types,
		"implements?:str abstract?:bool", "[ObjectTypeInfo]"),
	COMMAND("qom-list-properties", cmd_qom_list_properties, "typename:str",
		"[ObjectPropertyInfo]"),
	COMMAND("device-list-properties", cmd_device_list_properties,
		"typename:str", "[ObjectPropertyInfo]"),

	/* What it does. */
	COMMAND("query-stats", cmd_query_stats, "@StatsFilter",
		"[StatsResult]"),
	COMMAND("query-stats-schemas", cmd_query_stats_schemas,
		"provider?:StatsProvider", "[StatsSchema]"),
	COMMAND("human-monitor-command", cmd_human,
		"command-line:str cpu-index?:int", "str"),

	/* File descriptors, which come over the socket. */
	COMMAND("getfd", cmd_getfd, "fdname:str", NULL),
	COMMAND("closefd", cmd_closefd, "fdname:str", NULL),
	COMMAND("add-fd", cmd_add_fd, "fdset-id?:int opaque?:str", "AddfdInfo"),
	COMMAND("remove-fd", cmd_remove_fd, "fdset-id:int fd?:int", NULL),
	COMMAND("query-fdsets", cmd_query_fdsets, NULL, "[FdsetInfo]"),
	{ 0 }
};
