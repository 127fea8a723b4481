// SPDX-License-Identifier: GPL-2.0-or-later
#include "restore.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "../config.h"
#include "../device.h"
#include "../error.h"
#include "../virtio/virtio_devices.h"
#include "../vm.h"
#include "machine.h"
#include "snapshot.h"

static int open_in(int dir, const char *path, const char *name, int *out,
		   struct error *err)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return error_sys(err, errno, "cannot open %s/%s", path, name);
	*out = fd;
	return 0;
}

int restore_open(struct vm *vm, struct error *err)
{
	const char *path = vm->cfg->restore.dir;
	int dir, rc;

	vm->restore.state = -1;
	vm->restore.memory = -1;
	if (!path)
		return 0;
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return error_sys(err, errno, "cannot open the snapshot %s",
				 path);
	rc = open_in(dir, path, "state", &vm->restore.state, err);
	if (!rc)
		rc = open_in(dir, path, "memory", &vm->restore.memory, err);
	close(dir);
	if (rc)
		restore_close(vm);
	return rc;
}

void restore_close(struct vm *vm)
{
	if (vm->restore.state >= 0)
		close(vm->restore.state);
	if (vm->restore.memory >= 0)
		close(vm->restore.memory);
	vm->restore.state = -1;
	vm->restore.memory = -1;
}

int restore_load(struct vm *vm, struct error *err)
{
	int rc = 0;

	/* First: rings lie in it. */
	if (!vm->cfg->restore.lazy)
		rc = snapshot_read_memory(&vm->mem, vm->restore.memory, err);
	if (!rc)
		rc = machine_load(vm, vm->restore.state, err);
	if (rc)
		error_prefix(err, "cannot go on from %s", vm->cfg->restore.dir);
	restore_close(vm);
	return rc;
}

void restore_announce(struct vm *vm)
{
	struct device *dev;

	for (dev = vm->devices; dev; dev = dev->next)
		if (dev->class == &virtio_net_class)
			virtio_net_announce(dev);
}
