/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Trace events.  README.md describes them.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM vireo

#if !defined(_VIREO_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _VIREO_TRACE_H

#include <linux/tracepoint.h>

#include "stats.h"

/* Laid out as trace events are everywhere. */
/* clang-format off */

#define vireo_show_bus(bus) \
	__print_symbolic(bus, { VIREO_BUS_PIO, "pio" }, \
			 { VIREO_BUS_MMIO, "mmio" })

#define vireo_show_outcome(out) \
	__print_symbolic(out, { VIREO_OUT_NO_RULE, "no_rule" }, \
			 { VIREO_OUT_SHADOW, "shadow" }, \
			 { VIREO_OUT_CONST, "const" }, \
			 { VIREO_OUT_POST, "post" }, \
			 { VIREO_OUT_EVENT, "event" }, \
			 { VIREO_OUT_INDEXED, "indexed" }, \
			 { VIREO_OUT_CLOCK, "clock" }, \
			 { VIREO_OUT_CLEAR, "clear" }, \
			 { VIREO_OUT_RING_FULL, "ring_full" }, \
			 { VIREO_OUT_OFF, "off" }, \
			 { VIREO_OUT_WIDTH, "width" })

/* An access that reached a region; a read that is passed has no value yet. */
DECLARE_EVENT_CLASS(vireo_access,
	TP_PROTO(const struct vireo_region_stats *s, u16 vcpu, u64 addr,
		 u32 len, u64 value, unsigned int outcome),
	TP_ARGS(s, vcpu, addr, len, value, outcome),

	TP_STRUCT__entry(
		__field(u64, vm)
		__field(u64, addr)
		__field(u64, value)
		__field(u32, region)
		__field(u32, len)
		__field(u16, vcpu)
		__field(u8, bus)
		__field(u8, outcome)
	),
	TP_fast_assign(
		__entry->vm = s->vm;
		__entry->addr = addr;
		__entry->value = value;
		__entry->region = s->id;
		__entry->len = len;
		__entry->vcpu = vcpu;
		__entry->bus = s->bus;
		__entry->outcome = outcome;
	),
	TP_printk("vm=%llu vcpu=%u region=%u bus=%s addr=%#llx len=%u value=%#llx outcome=%s",
		  __entry->vm, __entry->vcpu, __entry->region,
		  vireo_show_bus(__entry->bus), __entry->addr, __entry->len,
		  __entry->value, vireo_show_outcome(__entry->outcome))
);

DEFINE_EVENT(vireo_access, vireo_read,
	TP_PROTO(const struct vireo_region_stats *s, u16 vcpu, u64 addr,
		 u32 len, u64 value, unsigned int outcome),
	TP_ARGS(s, vcpu, addr, len, value, outcome)
);

DEFINE_EVENT(vireo_access, vireo_write,
	TP_PROTO(const struct vireo_region_stats *s, u16 vcpu, u64 addr,
		 u32 len, u64 value, unsigned int outcome),
	TP_ARGS(s, vcpu, addr, len, value, outcome)
);

/* A post found the ring full. */
TRACE_EVENT(vireo_ring_full,
	TP_PROTO(const struct vireo_region_stats *s, u16 vcpu),
	TP_ARGS(s, vcpu),

	TP_STRUCT__entry(
		__field(u64, vm)
		__field(u32, region)
		__field(u16, vcpu)
	),
	TP_fast_assign(
		__entry->vm = s->vm;
		__entry->region = s->id;
		__entry->vcpu = vcpu;
	),
	TP_printk("vm=%llu vcpu=%u region=%u", __entry->vm, __entry->vcpu,
		  __entry->region)
);

DECLARE_EVENT_CLASS(vireo_region,
	TP_PROTO(const struct vireo_region_stats *s),
	TP_ARGS(s),

	TP_STRUCT__entry(
		__field(u64, vm)
		__field(u64, addr)
		__field(u64, len)
		__field(u32, region)
		__field(u8, bus)
		__field(bool, on)
		__array(char, name, 32)
	),
	TP_fast_assign(
		__entry->vm = s->vm;
		__entry->addr = s->addr;
		__entry->len = s->len;
		__entry->region = s->id;
		__entry->bus = s->bus;
		__entry->on = READ_ONCE(*s->enabled);
		strscpy(__entry->name, s->name, sizeof(__entry->name));
	),
	TP_printk("vm=%llu region=%u name=%s bus=%s addr=%#llx len=%llu state=%s",
		  __entry->vm, __entry->region, __entry->name,
		  vireo_show_bus(__entry->bus), __entry->addr, __entry->len,
		  __entry->on ? "on" : "off")
);

DEFINE_EVENT(vireo_region, vireo_region_add,
	TP_PROTO(const struct vireo_region_stats *s),
	TP_ARGS(s)
);

DEFINE_EVENT(vireo_region, vireo_region_del,
	TP_PROTO(const struct vireo_region_stats *s),
	TP_ARGS(s)
);

/* Enabled or disabled: see state. */
DEFINE_EVENT(vireo_region, vireo_region_enable,
	TP_PROTO(const struct vireo_region_stats *s),
	TP_ARGS(s)
);

DECLARE_EVENT_CLASS(vireo_vm,
	TP_PROTO(const struct vireo_vm_stats *s),
	TP_ARGS(s),

	TP_STRUCT__entry(
		__field(u64, vm)
		__field(int, pid)
		__field(u32, vcpus)
		__array(char, name, 32)
	),
	TP_fast_assign(
		__entry->vm = s->seq;
		__entry->pid = s->pid;
		__entry->vcpus = s->vcpus;
		strscpy(__entry->name, s->name, sizeof(__entry->name));
	),
	TP_printk("vm=%llu pid=%d vcpus=%u name=%s", __entry->vm, __entry->pid,
		  __entry->vcpus, __entry->name)
);

DEFINE_EVENT(vireo_vm, vireo_vm_create,
	TP_PROTO(const struct vireo_vm_stats *s),
	TP_ARGS(s)
);

DEFINE_EVENT(vireo_vm, vireo_vm_close,
	TP_PROTO(const struct vireo_vm_stats *s),
	TP_ARGS(s)
);

/* clang-format on */

#endif /* _VIREO_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
