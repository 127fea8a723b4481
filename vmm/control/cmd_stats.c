// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Statistics.  Each provider is a function that walks the numbers it has of the
 * VM or of a vCPU; values and schemas are made from the same walk.
 *
 *   kvm       KVM's own (KVM_GET_STATS_FD), as QEMU has them
 *   x-vireo   the module's record, if it is loaded, else what the vCPU threads
 *             count; of the VM also the accesses that no device claimed
 */
#include <errno.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "../vcpu.h"
#include "commands.h"
#include "server.h"

/* More than either kernel has; what they say is not trusted beyond. */
#define RECORD_MAX (1U << 20)

struct stat {
	const char *name;
	const char *type; /* StatsType */
	const char *unit; /* StatsUnit, or NULL */
	int base;	  /* 10 or 2; 0 if exponent is */
	int exponent;
	uint32_t bucket; /* of a linear histogram; else 0 */
	const __u64 *values;
	unsigned int nr; /* more than one: an array */
};

struct walk {
	void (*see)(struct walk *walk, const struct stat *stat);
	json_t *list;
	json_t *names; /* only these; NULL: all */
};

static void see(struct walk *walk, const struct stat *stat)
{
	json_t *name;
	size_t i;

	if (walk->names) {
		json_array_foreach(walk->names, i, name) {
			if (!strcmp(json_string_value(name), stat->name))
				break;
		}
		if (i == json_array_size(walk->names))
			return;
	}
	walk->see(walk, stat);
}

/* ---- kvm ------------------------------------------------------------------- */

static const char *kvm_type(uint32_t flags)
{
	switch (flags & KVM_STATS_TYPE_MASK) {
	case KVM_STATS_TYPE_CUMULATIVE:
		return "cumulative";
	case KVM_STATS_TYPE_INSTANT:
		return "instant";
	case KVM_STATS_TYPE_PEAK:
		return "peak";
	case KVM_STATS_TYPE_LINEAR_HIST:
		return "linear-histogram";
	case KVM_STATS_TYPE_LOG_HIST:
		return "log2-histogram";
	default:
		return NULL;
	}
}

/* NULL: none; false: an unknown one. */
static bool kvm_unit(uint32_t flags, const char **unit)
{
	static const char *const units[] = { NULL, "bytes", "seconds", "cycles",
					     "boolean" };
	uint32_t i = (flags & KVM_STATS_UNIT_MASK) >> KVM_STATS_UNIT_SHIFT;

	if (i >= sizeof(units) / sizeof(units[0]))
		return false;
	*unit = units[i];
	return true;
}

static int kvm_base(const struct kvm_stats_desc *d)
{
	if (!d->exponent)
		return 0;
	return (d->flags & KVM_STATS_BASE_MASK) == KVM_STATS_BASE_POW2 ? 2 : 10;
}

/* Whether [off, off + len) lies within @size bytes. */
static bool within(uint64_t off, uint64_t len, uint64_t size)
{
	return off <= size && len <= size - off;
}

static void walk_kvm_record(struct walk *walk, const char *record, size_t size)
{
	struct kvm_stats_header h;
	const struct kvm_stats_desc *d;
	struct stat stat;
	size_t step, at;
	uint32_t i;

	memcpy(&h, record, sizeof(h));
	step = sizeof(*d) + h.name_size;
	for (i = 0; i < h.num_desc; i++) {
		at = h.desc_offset + i * step;
		if (!within(at, step, size))
			return;
		d = (const struct kvm_stats_desc *)(record + at);
		at = (size_t)h.data_offset + d->offset;
		if (!within(at, d->size * 8ULL, size) || at % 8)
			return;
		stat = (struct stat){
			.name = d->name,
			.type = kvm_type(d->flags),
			.base = kvm_base(d),
			.exponent = d->exponent,
			.bucket = d->bucket_size,
			.values = (const __u64 *)(record + at),
			.nr = d->size,
		};
		if (stat.type && kvm_unit(d->flags, &stat.unit) && d->size &&
		    memchr(d->name, 0, h.name_size))
			see(walk, &stat);
	}
}

/* All that the descriptor gives, or NULL; its size in *size. */
static char *read_record(int fd, size_t *size)
{
	char *record = NULL, *p;
	size_t got = 0;
	ssize_t n = 1;

	while (n > 0 && got < RECORD_MAX) {
		p = realloc(record, got + 16384);
		if (!p)
			break;
		record = p;
		n = pread(fd, record + got, 16384, (off_t)got);
		if (n > 0)
			got += (size_t)n;
	}
	*size = got;
	if (got >= sizeof(struct kvm_stats_header))
		return record;
	free(record);
	return NULL;
}

static void walk_kvm(struct vm *vm, struct vcpu *vcpu, struct walk *walk)
{
	const struct accel_ops *ops = vm->accel->ops;
	char *record;
	size_t size;
	int fd;

	if (!ops->stats_fd)
		return;
	vcpus_open_stats(vm);
	fd = vcpu ? vcpu->stats_fd : ops->stats_fd(vm->accel, NULL);
	if (fd <= 0)
		return; /* a kernel before 5.14 */
	record = read_record(fd, &size);
	if (!vcpu)
		close(fd);
	if (record)
		walk_kvm_record(walk, record, size);
	free(record);
}

/* ---- x-vireo ------------------------------------------------------------------- */

/* As the module's record has them (debugfs/README.md). */
static const char *const exit_names[VIREO_NR_EXITS] = {
	[KVM_EXIT_EXCEPTION] = "user_exception",
	[KVM_EXIT_IO] = "user_io",
	[KVM_EXIT_HYPERCALL] = "user_hypercall",
	[KVM_EXIT_DEBUG] = "user_debug",
	[KVM_EXIT_HLT] = "user_hlt",
	[KVM_EXIT_MMIO] = "user_mmio",
	[KVM_EXIT_IRQ_WINDOW_OPEN] = "user_irq_window_open",
	[KVM_EXIT_SHUTDOWN] = "user_shutdown",
	[KVM_EXIT_FAIL_ENTRY] = "user_fail_entry",
	[KVM_EXIT_INTR] = "user_intr",
	[KVM_EXIT_INTERNAL_ERROR] = "user_internal_error",
	[KVM_EXIT_SYSTEM_EVENT] = "user_system_event",
	[VIREO_NR_EXITS - 1] = "user_other",
};

static const char *vireo_type(uint32_t type)
{
	static const char *const types[] = { "cumulative", "instant", "peak",
					     "log2-histogram" };

	return type < sizeof(types) / sizeof(types[0]) ? types[type] : NULL;
}

static void walk_vireo_record(struct walk *walk, const char *record,
			      size_t size)
{
	static const char *const units[] = { NULL, "bytes", "cycles" };
	const struct vireo_stats_desc *d;
	struct vireo_stats_header h;
	struct stat stat;
	uint64_t at;
	uint32_t i;

	if (size < sizeof(h))
		return;
	memcpy(&h, record, sizeof(h));
	if (h.version != VIREO_STATS_VERSION ||
	    h.name_size != VIREO_STATS_NAME_SIZE)
		return;
	for (i = 0; i < h.num_desc; i++) {
		at = h.desc_offset + i * sizeof(*d);
		if (!within(at, sizeof(*d), size) || at % 4)
			return;
		d = (const struct vireo_stats_desc *)(record + at);
		at = (uint64_t)h.data_offset + d->offset;
		if (!within(at, d->size * 8ULL, size) || at % 8)
			return;
		stat = (struct stat){
			.name = d->name,
			.type = vireo_type(d->type),
			.unit = d->unit < sizeof(units) / sizeof(units[0]) ?
					units[d->unit] :
					NULL,
			.values = (const __u64 *)(record + at),
			.nr = d->size,
		};
		if (stat.type && d->size && memchr(d->name, 0, h.name_size))
			see(walk, &stat);
	}
}

/* True if the module had a record. */
static bool walk_module(struct vm *vm, struct vcpu *vcpu, struct walk *walk)
{
	struct vireo_stats arg = {
		.size = sizeof(arg),
		.what = vcpu ? VIREO_STATS_VCPU : VIREO_STATS_VM,
		.id = vcpu ? vcpu->id : 0,
	};
	bool done = false;
	char *record;

	if (vm->fast.vm_fd < 0 || !(vm->fast.caps & VIREO_CAP_STATS) ||
	    ioctl(vm->fast.vm_fd, VIREO_STATS, &arg) || arg.len > RECORD_MAX)
		return false;
	record = malloc(arg.len);
	arg.buf = (uintptr_t)record;
	if (record && !ioctl(vm->fast.vm_fd, VIREO_STATS, &arg)) {
		walk_vireo_record(walk, record, arg.len);
		done = true;
	}
	free(record);
	return done;
}

static void walk_page(const struct vireo_vcpu_page *page, struct walk *walk)
{
	struct vireo_vcpu_page copy = *page; /* its thread goes on counting */
	__u64 sum = 0;
	unsigned int i;
	struct stat stat = {
		.name = "user",
		.type = "cumulative",
		.values = &sum,
		.nr = 1,
	};

	for (i = 0; i < VIREO_NR_EXITS; i++)
		sum += copy.exits[i];
	see(walk, &stat);
	for (i = 0; i < VIREO_NR_EXITS; i++) {
		stat.name = exit_names[i];
		stat.values = &copy.exits[i];
		if (stat.name)
			see(walk, &stat);
	}
	stat = (struct stat){
		.name = "user_time",
		.type = "log2-histogram",
		.unit = "cycles",
		.values = copy.user_time,
		.nr = VIREO_NR_BUCKETS,
	};
	see(walk, &stat);
}

static void walk_vireo(struct vm *vm, struct vcpu *vcpu, struct walk *walk)
{
	const struct accel_ops *ops = vm->accel->ops;
	struct stat stat = { .type = "cumulative", .nr = 1 };
	__u64 n;

	if (!walk_module(vm, vcpu, walk) && vcpu && ops->vcpu_counts)
		walk_page(ops->vcpu_counts(vcpu->accel), walk);
	if (vcpu)
		return;
	stat.values = &n;
	n = vm->pio.unclaimed_reads + vm->mmio.unclaimed_reads;
	stat.name = "unclaimed_reads";
	see(walk, &stat);
	n = vm->pio.unclaimed_writes + vm->mmio.unclaimed_writes;
	stat.name = "unclaimed_writes";
	see(walk, &stat);
}

static const struct provider {
	const char *name;
	void (*walk)(struct vm *vm, struct vcpu *vcpu, struct walk *walk);
} providers[] = {
	{ "kvm", walk_kvm },
	{ "x-vireo", walk_vireo },
};

#define NR_PROVIDERS (sizeof(providers) / sizeof(providers[0]))

/* ---- commands ----------------------------------------------------------------- */

static void see_value(struct walk *walk, const struct stat *stat)
{
	json_t *value;
	unsigned int i;

	if (stat->nr > 1) {
		value = json_array();
		for (i = 0; i < stat->nr; i++)
			json_array_append_new(value,
					      json_integer(
						      (json_int_t)
							      stat->values[i]));
	} else if (stat->unit && !strcmp(stat->unit, "boolean")) {
		value = json_boolean(stat->values[0]);
	} else {
		value = json_integer((json_int_t)stat->values[0]);
	}
	json_array_append_new(walk->list,
			      json_pack("{s:s,s:o}", "name", stat->name,
					"value", value));
}

static void see_schema(struct walk *walk, const struct stat *stat)
{
	json_t *entry = json_pack("{s:s,s:s,s:s*,s:i}", "name", stat->name,
				  "type", stat->type, "unit", stat->unit,
				  "exponent", stat->exponent);

	if (stat->base)
		json_object_set_new(entry, "base", json_integer(stat->base));
	if (!strcmp(stat->type, "linear-histogram"))
		json_object_set_new(entry, "bucket-size",
				    json_integer(stat->bucket));
	json_array_append_new(walk->list, entry);
}

/* Adds what provider @p has of the VM or of @vcpu; nothing if that is none. */
static void add_result(json_t *list, const struct provider *p, struct vm *vm,
		       struct vcpu *vcpu, json_t *names)
{
	struct walk walk = { see_value, json_array(), names };
	char path[QOM_PATH_MAX];
	json_t *result;

	p->walk(vm, vcpu, &walk);
	if (!json_array_size(walk.list)) {
		json_decref(walk.list);
		return;
	}
	result =
		json_pack("{s:s,s:o}", "provider", p->name, "stats", walk.list);
	if (vcpu) {
		qom_vcpu_path(vcpu->id, path);
		json_object_set_new(result, "qom-path", json_string(path));
	}
	json_array_append_new(list, result);
}

static bool wanted(json_t *paths, unsigned int vcpu)
{
	char path[QOM_PATH_MAX];
	json_t *p;
	size_t i;

	if (!paths)
		return true;
	qom_vcpu_path(vcpu, path);
	json_array_foreach(paths, i, p) {
		if (!strcmp(json_string_value(p), path))
			return true;
	}
	return false;
}

static void add_results(json_t *list, const struct provider *p, struct vm *vm,
			json_t *args, json_t *names)
{
	json_t *paths = json_object_get(args, "vcpus");
	unsigned int i;

	if (!strcmp(json_string_value(json_object_get(args, "target")), "vm")) {
		add_result(list, p, vm, NULL, names);
		return;
	}
	for (i = 0; i < vm->nr_vcpus; i++)
		if (wanted(paths, i))
			add_result(list, p, vm, &vm->vcpus[i], names);
}

json_t *cmd_query_stats(struct qmp_call *call, json_t *args)
{
	json_t *requests = json_object_get(args, "providers"), *request;
	struct vm *vm = call->control->vm;
	json_t *list = json_array();
	const char *name;
	size_t i, j;

	for (i = 0; i < NR_PROVIDERS; i++) {
		if (!requests) {
			add_results(list, &providers[i], vm, args, NULL);
			continue;
		}
		json_array_foreach(requests, j, request) {
			name = json_string_value(
				json_object_get(request, "provider"));
			if (!strcmp(name, providers[i].name))
				add_results(list, &providers[i], vm, args,
					    json_object_get(request, "names"));
		}
	}
	return list;
}

json_t *cmd_query_stats_schemas(struct qmp_call *call, json_t *args)
{
	const char *only = json_string_value(json_object_get(args, "provider"));
	struct vm *vm = call->control->vm;
	json_t *list = json_array();
	size_t i, target;

	for (i = 0; i < NR_PROVIDERS; i++) {
		if (only && strcmp(only, providers[i].name) != 0)
			continue;
		for (target = 0; target < 2; target++) {
			struct walk walk = { see_schema, json_array(), NULL };

			providers[i].walk(vm, target ? vm->vcpus : NULL, &walk);
			json_array_append_new(list,
					      json_pack("{s:s,s:s,s:o}",
							"provider",
							providers[i].name,
							"target",
							target ? "vcpu" : "vm",
							"stats", walk.list));
		}
	}
	return list;
}
