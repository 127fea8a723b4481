// SPDX-License-Identifier: GPL-2.0
/*
 * The trace events themselves, and what is done only while one is on.
 */
#include <linux/string.h>

#define CREATE_TRACE_POINTS
#include "trace.h"

/* The data of an access that was served or is a write; 0 if too long. */
static u64 value_of(const void *val, u32 len)
{
	u64 value = 0;

	if (len <= sizeof(value))
		memcpy(&value, val, len);
	return value;
}

/**
 * vireo_trace_read() - trace a read
 * @s: the region's statistics
 * @vcpu: whose access
 * @addr: address
 * @len: bytes; any number
 * @val: the data, or NULL if it was passed
 * @out: what became of it
 */
void vireo_trace_read(const struct vireo_region_stats *s, u16 vcpu, u64 addr,
		      u32 len, const void *val, enum vireo_outcome out)
{
	trace_vireo_read(s, vcpu, addr, len, val ? value_of(val, len) : 0, out);
}

/**
 * vireo_trace_write() - trace a write
 * @s: the region's statistics
 * @vcpu: whose access
 * @addr: address
 * @len: bytes; any number
 * @val: the data
 * @out: what became of it
 */
void vireo_trace_write(const struct vireo_region_stats *s, u16 vcpu, u64 addr,
		       u32 len, const void *val, enum vireo_outcome out)
{
	trace_vireo_write(s, vcpu, addr, len, value_of(val, len), out);
}
