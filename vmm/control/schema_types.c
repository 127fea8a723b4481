// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * QEMU 7.2's types, as far as commands here use them: of an object, the members
 * that are ever there; of an enum, all values that QEMU has.
 */
#include "schema.h"

#include <stddef.h>

#define OBJECT(n, t)                                        \
	{                                                   \
		.name = n, .meta = SCHEMA_OBJECT, .text = t \
	}
#define UNION(n, m, t, v)                                              \
	{                                                              \
		.name = n, .meta = SCHEMA_OBJECT, .text = m, .tag = t, \
		.variants = v                                          \
	}
#define ENUM(n, t)                                        \
	{                                                 \
		.name = n, .meta = SCHEMA_ENUM, .text = t \
	}
#define ALTERNATE(n, t)                                        \
	{                                                      \
		.name = n, .meta = SCHEMA_ALTERNATE, .text = t \
	}

const struct schema_type schema_types[] = {
	OBJECT("q_empty", ""),

	/* The protocol. */
	ENUM("QMPCapability", "oob"),
	OBJECT("VersionTriple", "major:int minor:int micro:int"),
	OBJECT("VersionInfo", "qemu:VersionTriple package:str"),
	OBJECT("CommandInfo", "name:str"),
	ENUM("SchemaMetaType",
	     "builtin enum array object alternate command event"),
	ENUM("JSONType", "string number int boolean null object array value"),
	UNION("SchemaInfo", "name:str meta-type:SchemaMetaType features?:[str]",
	      "meta-type",
	      "builtin:SchemaInfoBuiltin enum:SchemaInfoEnum "
	      "array:SchemaInfoArray object:SchemaInfoObject "
	      "alternate:SchemaInfoAlternate command:SchemaInfoCommand "
	      "event:SchemaInfoEvent"),
	OBJECT("SchemaInfoBuiltin", "json-type:JSONType"),
	OBJECT("SchemaInfoEnum", "members:[SchemaInfoEnumMember] "
				 "values:[str]"),
	OBJECT("SchemaInfoEnumMember", "name:str features?:[str]"),
	OBJECT("SchemaInfoArray", "element-type:str"),
	OBJECT("SchemaInfoObject", "members:[SchemaInfoObjectMember] tag?:str "
				   "variants?:[SchemaInfoObjectVariant]"),
	OBJECT("SchemaInfoObjectMember",
	       "name:str type:str default?:any features?:[str]"),
	OBJECT("SchemaInfoObjectVariant", "case:str type:str"),
	OBJECT("SchemaInfoAlternate", "members:[SchemaInfoAlternateMember]"),
	OBJECT("SchemaInfoAlternateMember", "type:str"),
	OBJECT("SchemaInfoCommand", "arg-type:str ret-type:str "
				    "allow-oob?:bool"),
	OBJECT("SchemaInfoEvent", "arg-type:str"),

	/* The machine. */
	ENUM("RunState",
	     "debug inmigrate internal-error io-error paused postmigrate "
	     "prelaunch finish-migrate restore-vm running save-vm shutdown "
	     "suspended watchdog guest-panicked colo"),
	OBJECT("StatusInfo", "running:bool singlestep:bool status:RunState"),
	ENUM("ShutdownCause",
	     "none host-error host-qmp-quit host-qmp-system-reset host-signal "
	     "host-ui guest-shutdown guest-reset guest-panic subsystem-reset "
	     "snapshot-load"),
	ENUM("GuestPanicAction", "pause poweroff run"),
	OBJECT("NameInfo", "name?:str"),
	OBJECT("UuidInfo", "UUID:str"),
	OBJECT("KvmInfo", "enabled:bool present:bool"),
	ENUM("SysEmuTarget", "x86_64"),
	OBJECT("TargetInfo", "arch:SysEmuTarget"),
	OBJECT("CpuInstanceProperties",
	       "socket-id?:int core-id?:int thread-id?:int"),
	UNION("CpuInfoFast",
	      "cpu-index:int qom-path:str thread-id:int "
	      "props?:CpuInstanceProperties target:SysEmuTarget",
	      "target", ""),
	OBJECT("MemoryInfo", "base-memory:int plugged-memory?:int"),
	OBJECT("IOThreadInfo",
	       "id:str thread-id:int poll-max-ns:int poll-grow:int "
	       "poll-shrink:int aio-max-batch:int"),
	OBJECT("VireoInfo", "version:str pid:int started:int module:bool "
			    "module-info:str"),

	/* Disks. */
	ENUM("BlockdevOnOff", "off on unmap"),
	ENUM("BlockDeviceIoStatus", "ok failed nospace"),
	OBJECT("BlockdevCacheInfo", "writeback:bool direct:bool no-flush:bool"),
	OBJECT("ImageInfo",
	       "filename:str format:str actual-size?:int virtual-size:int"),
	OBJECT("BlockDeviceInfo",
	       "file:str node-name?:str ro:bool drv:str "
	       "backing_file_depth:int encrypted:bool "
	       "detect_zeroes:BlockdevOnOff bps:int bps_rd:int bps_wr:int "
	       "iops:int iops_rd:int iops_wr:int image:ImageInfo "
	       "cache:BlockdevCacheInfo write_threshold:int"),
	OBJECT("BlockInfo", "device:str qdev?:str type:str removable:bool "
			    "locked:bool inserted?:BlockDeviceInfo "
			    "tray_open?:bool io-status?:BlockDeviceIoStatus"),
	OBJECT("BlockDeviceStats",
	       "rd_bytes:int wr_bytes:int unmap_bytes:int "
	       "rd_operations:int wr_operations:int flush_operations:int "
	       "unmap_operations:int rd_total_time_ns:int "
	       "wr_total_time_ns:int flush_total_time_ns:int "
	       "unmap_total_time_ns:int wr_highest_offset:int "
	       "rd_merged:int wr_merged:int unmap_merged:int "
	       "failed_rd_operations:int failed_wr_operations:int "
	       "failed_flush_operations:int failed_unmap_operations:int "
	       "invalid_rd_operations:int invalid_wr_operations:int "
	       "invalid_flush_operations:int invalid_unmap_operations:int "
	       "account_invalid:bool account_failed:bool "
	       "timed_stats:[BlockDeviceTimedStats]"),
	OBJECT("BlockDeviceTimedStats",
	       "interval_length:int min_rd_latency_ns:int "
	       "max_rd_latency_ns:int avg_rd_latency_ns:int "
	       "min_wr_latency_ns:int max_wr_latency_ns:int "
	       "avg_wr_latency_ns:int min_flush_latency_ns:int "
	       "max_flush_latency_ns:int avg_flush_latency_ns:int "
	       "avg_rd_queue_depth:number avg_wr_queue_depth:number"),
	OBJECT("BlockStats", "device?:str qdev?:str node-name?:str "
			     "stats:BlockDeviceStats"),

	ENUM("BlockdevChangeReadOnlyMode", "retain read-only read-write"),
	OBJECT("VireoScsiDisk", "id:str"),
	OBJECT("VireoSnapshot", "paused-ns:int written:int copied:int"),
	ENUM("VireoOnError", "report stop"),

	/* Network cards. */
	ENUM("RxState", "normal none all"),
	OBJECT("RxFilterInfo",
	       "name:str promiscuous:bool multicast:RxState unicast:RxState "
	       "vlan:RxState broadcast-allowed:bool multicast-overflow:bool "
	       "unicast-overflow:bool main-mac:str vlan-table:[int] "
	       "unicast-table:[str] multicast-table:[str]"),
	OBJECT("VireoNetCounts", "frames:int bytes:int unwanted:int "
				 "dropped:int invalid:int"),
	OBJECT("VireoNetQueue", "received:VireoNetCounts sent:VireoNetCounts"),
	OBJECT("VireoNet",
	       "name:str backend:str mac:str link-up:bool peer:bool "
	       "active-queues:int queues:[VireoNetQueue]"),

	/* Devices that come and go. */
	ENUM("BlockdevDriver",
	     "blkdebug blklogwrites blkreplay blkverify bochs cloop compress "
	     "copy-before-write copy-on-read dmg file snapshot-access ftp ftps "
	     "gluster host_cdrom host_device http https iscsi luks nbd nfs "
	     "null-aio null-co nvme parallels preallocate qcow qcow2 qed quorum "
	     "raw rbd replication ssh throttle vdi vhdx vmdk vpc vvfat"),
	ENUM("BlockdevDiscardOptions", "ignore unmap"),
	ENUM("BlockdevAioOptions", "threads native io_uring"),
	OBJECT("BlockdevCacheOptions", "direct?:bool no-flush?:bool"),
	OBJECT("BlockdevOptionsFile", "filename:str aio?:BlockdevAioOptions"),
	ALTERNATE("BlockdevRef", "BlockdevOptions str"),
	OBJECT("BlockdevOptionsGenericFormat", "file:BlockdevRef"),
	UNION("BlockdevOptions",
	      "driver:BlockdevDriver node-name?:str "
	      "discard?:BlockdevDiscardOptions cache?:BlockdevCacheOptions "
	      "read-only?:bool auto-read-only?:bool",
	      "driver",
	      "file:BlockdevOptionsFile host_device:BlockdevOptionsFile "
	      "raw:BlockdevOptionsGenericFormat "
	      "qcow2:BlockdevOptionsGenericFormat"),
	ENUM("NetClientDriver",
	     "none nic user tap l2tpv3 socket stream dgram vde bridge hubport "
	     "netmap vhost-user vhost-vdpa"),
	OBJECT("NetdevTapOptions", "fd?:str vhost?:bool"),
	UNION("Netdev", "id:str type:NetClientDriver", "type",
	      "tap:NetdevTapOptions"),
	ENUM("ObjectType",
	     "authz-list authz-listfile authz-pam authz-simple can-bus "
	     "can-host-socketcan colo-compare cryptodev-backend "
	     "cryptodev-backend-builtin cryptodev-backend-lkcf "
	     "cryptodev-vhost-user dbus-vmstate filter-buffer filter-dump "
	     "filter-mirror filter-redirector filter-replay filter-rewriter "
	     "input-barrier input-linux iothread main-loop memory-backend-epc "
	     "memory-backend-file memory-backend-memfd memory-backend-ram "
	     "pef-guest pr-manager-helper qtest rng-builtin rng-egd rng-random "
	     "secret secret_keyring sev-guest thread-context s390-pv-guest "
	     "throttle-group tls-creds-anon tls-creds-psk tls-creds-x509 "
	     "tls-cipher-suites x-remote-object x-vfio-user-server"),
	OBJECT("RngRandomProperties", "filename?:str"),
	UNION("ObjectOptions", "qom-type:ObjectType id:str", "qom-type",
	      "rng-random:RngRandomProperties"),

	/* Other devices. */
	OBJECT("ChardevInfo", "label:str filename:str frontend-open:bool"),
	OBJECT("PciDeviceClass", "desc?:str class:int"),
	OBJECT("PciDeviceId", "device:int vendor:int subsystem?:int "
			      "subsystem-vendor?:int"),
	OBJECT("PciMemoryRegion",
	       "bar:int type:str address:int size:int prefetch?:bool "
	       "mem_type_64?:bool"),
	OBJECT("PciDeviceInfo",
	       "bus:int slot:int function:int class_info:PciDeviceClass "
	       "id:PciDeviceId irq?:int irq_pin:int qdev_id:str "
	       "regions:[PciMemoryRegion]"),
	OBJECT("PciInfo", "bus:int devices:[PciDeviceInfo]"),
	OBJECT("ObjectPropertyInfo",
	       "name:str type:str description?:str default-value?:any"),
	OBJECT("ObjectTypeInfo", "name:str abstract?:bool parent?:str"),

	/* Statistics. */
	ENUM("StatsProvider", "kvm x-vireo"),
	ENUM("StatsTarget", "vm vcpu"),
	ENUM("StatsType", "cumulative instant peak linear-histogram "
			  "log2-histogram"),
	ENUM("StatsUnit", "bytes seconds cycles boolean"),
	OBJECT("StatsRequest", "provider:StatsProvider names?:[str]"),
	OBJECT("StatsVCPUFilter", "vcpus?:[str]"),
	UNION("StatsFilter", "target:StatsTarget providers?:[StatsRequest]",
	      "target", "vcpu:StatsVCPUFilter"),
	ALTERNATE("StatsValue", "int bool [int]"),
	OBJECT("Stats", "name:str value:StatsValue"),
	OBJECT("StatsResult",
	       "provider:StatsProvider qom-path?:str stats:[Stats]"),
	OBJECT("StatsSchemaValue",
	       "name:str type:StatsType unit?:StatsUnit base?:int "
	       "exponent:int bucket-size?:int"),
	OBJECT("StatsSchema", "provider:StatsProvider target:StatsTarget "
			      "stats:[StatsSchemaValue]"),

	/* File descriptors. */
	OBJECT("AddfdInfo", "fdset-id:int fd:int"),
	OBJECT("FdsetFdInfo", "fd:int opaque?:str"),
	OBJECT("FdsetInfo", "fdset-id:int fds:[FdsetFdInfo]"),
	{ 0 }
};

const struct schema_event schema_events[] = {
	{ "SHUTDOWN", "guest:bool reason:ShutdownCause" },
	{ "POWERDOWN", NULL },
	{ "RESET", "guest:bool reason:ShutdownCause" },
	{ "STOP", NULL },
	{ "RESUME", NULL },
	{ "DEVICE_TRAY_MOVED", "device:str id:str tray-open:bool" },
	{ "DEVICE_DELETED", "device?:str path:str" },
	{ "GUEST_PANICKED", "action:GuestPanicAction" },
	{ 0 }
};
