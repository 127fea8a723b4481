// SPDX-License-Identifier: GPL-2.0-or-later
#include "fast_queue.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "memory.h"

/* With exit_path=off the VM is the module's for its queues alone. */
static const char *vm_create(struct fastpath *fp)
{
	int dev = open("/dev/vireo", O_RDWR | O_CLOEXEC);

	if (dev < 0)
		return strerror(errno);
	fp->queue_fd = ioctl(dev, VIREO_VM_CREATE, &fp->create);
	close(dev);
	return fp->queue_fd < 0 ? "vireo.ko refuses the VM" : NULL;
}

const char *fast_queue_open(struct fastpath *fp, const struct mem *mem)
{
	const char *why;

	if (!fp->caps)
		return fp->why;
	if (!(fp->caps & VIREO_CAP_QUEUE_BLK))
		return "vireo.ko serves no disks";
	if (mem->backend != &mem_backend_vireo)
		return "guest memory is not the module's";
	if (fp->queue_fd >= 0)
		return NULL;
	why = vm_create(fp);
	if (!why)
		fastpath_map_memory(fp, mem);
	return why;
}

int fast_disk_create(struct vireo_disk_create *create)
{
	int dev = open("/dev/vireo", O_RDWR | O_CLOEXEC);
	int fd;

	if (dev < 0)
		return -errno;
	create->size = sizeof(*create);
	fd = ioctl(dev, VIREO_DISK_CREATE, create);
	if (fd < 0)
		fd = -errno;
	close(dev);
	return fd;
}

int fast_disk_set(int disk_fd, struct vireo_disk_set *set)
{
	set->size = sizeof(*set);
	return ioctl(disk_fd, VIREO_DISK_SET, set) ? -errno : 0;
}

int fast_queue_add(const struct fastpath *fp, struct vireo_queue_add *add)
{
	add->size = sizeof(*add);
	return ioctl(fp->queue_fd, VIREO_QUEUE_ADD, add) ? -errno : 0;
}

int fast_queue_del(const struct fastpath *fp, struct vireo_queue_del *del)
{
	int rc;

	del->size = sizeof(*del);
	do {
		rc = ioctl(fp->queue_fd, VIREO_QUEUE_DEL, del) ? -errno : 0;
	} while (rc == -EINTR);
	return rc;
}

int fast_queue_state(const struct fastpath *fp, struct vireo_queue_state *state)
{
	state->size = sizeof(*state);
	return ioctl(fp->queue_fd, VIREO_QUEUE_STATE, state) ? -errno : 0;
}
