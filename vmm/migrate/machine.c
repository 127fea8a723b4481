// SPDX-License-Identifier: GPL-2.0-or-later
#include "machine.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../config.h"
#include "../device.h"
#include "../error.h"
#include "../state_file.h"
#include "../vcpu.h"
#include "../vm.h"

/* What must be the same there, and what a person wants to know. */
struct machine_head {
	char version[32]; /* of vireo; for people */
	uint64_t memory;
	uint32_t cpus;
};

static const struct state_field head_fields[] = {
	{ STATE_BYTES(struct machine_head, version) },
	{ STATE_U(struct machine_head, memory) },
	{ STATE_U(struct machine_head, cpus) },
	{ 0 },
};

static const struct state_table head_table = {
	.version = 1,
	.fields = head_fields,
};

static struct machine_head head_of(const struct vm *vm)
{
	struct machine_head head = {
		.version = VIREO_VERSION,
		.memory = vm->mem.size,
		.cpus = vm->nr_vcpus,
	};

	return head;
}

/* An object of the machine, as saving and loading see it. */
typedef int (*part_fn)(int fd, const char *name,
		       const struct state_table *table, void *obj,
		       struct error *err);

/* All of them, in the order of the stream. */
static int each_part(struct vm *vm, int fd, part_fn fn, struct error *err)
{
	const struct accel_ops *ops = vm->accel->ops;
	struct device *dev;
	char name[16];
	unsigned int i;
	int rc = 0;

	for (dev = vm->devices; dev && !rc; dev = dev->next)
		rc = fn(fd, dev->id, dev->class->state, dev, err);
	if (!rc)
		rc = fn(fd, ops->name, ops->vm_table, vm->accel, err);
	for (i = 0; i < vm->nr_vcpus && !rc; i++) {
		snprintf(name, sizeof(name), "cpu%u", i);
		rc = fn(fd, name, ops->vcpu_table, vm->vcpus[i].accel, err);
	}
	return rc;
}

static int save_part(int fd, const char *name, const struct state_table *table,
		     void *obj, struct error *err)
{
	struct state_out out = { 0 };
	int rc;

	if (!table)
		return error_set(err, EOPNOTSUPP,
				 "%s has no state that could be kept", name);
	rc = state_save(&out, table, obj, err);
	if (rc)
		error_prefix(err, "%s", name);
	else
		rc = state_file_put(fd, name, table->version, &out, err);
	state_out_free(&out);
	return rc;
}

int machine_save(struct vm *vm, int fd, struct error *err)
{
	struct machine_head head = head_of(vm);
	int rc;

	rc = state_file_begin(fd, err);
	if (!rc)
		rc = save_part(fd, "machine", &head_table, &head, err);
	if (!rc)
		rc = each_part(vm, fd, save_part, err);
	if (!rc)
		rc = state_file_end(fd, err);
	return rc;
}

/* The next section must be @name's. */
static int load_part(int fd, const char *name, const struct state_table *table,
		     void *obj, struct error *err)
{
	struct state_section s;
	int rc;

	if (!table)
		return error_set(err, EOPNOTSUPP,
				 "%s has no state that could be loaded", name);
	rc = state_file_next(fd, &s, err);
	if (rc < 0)
		return rc;
	if (!rc)
		return error_set(err, EINVAL, "%s: not there", name);
	if (strcmp(s.name, name))
		rc = error_set(err, EINVAL, "%s: %s is in its place", name,
			       s.name);
	else
		rc = state_load(s.body, table, s.version, obj, err);
	if (rc && !strcmp(s.name, name))
		error_prefix(err, "%s", name);
	state_section_free(&s);
	return rc;
}

static int load_head(struct vm *vm, int fd, struct error *err)
{
	struct machine_head head = { 0 }, own = head_of(vm);
	int rc = load_part(fd, "machine", &head_table, &head, err);

	if (rc)
		return rc;
	if (head.memory != own.memory)
		return error_set(err, EINVAL,
				 "machine: memory: %llu MiB there, %llu here",
				 (unsigned long long)(head.memory >> 20),
				 (unsigned long long)(own.memory >> 20));
	if (head.cpus != own.cpus)
		return error_set(err, EINVAL,
				 "machine: cpus: %u there, %u here", head.cpus,
				 own.cpus);
	return 0;
}

int machine_load(struct vm *vm, int fd, struct error *err)
{
	struct state_section s;
	int rc;

	rc = state_file_open(fd, err);
	if (!rc)
		rc = load_head(vm, fd, err);
	if (!rc)
		rc = each_part(vm, fd, load_part, err);
	if (rc)
		return rc;
	rc = state_file_next(fd, &s, err);
	if (rc > 0) {
		rc = error_set(err, EINVAL, "%s: there is none here", s.name);
		state_section_free(&s);
	}
	return rc;
}
