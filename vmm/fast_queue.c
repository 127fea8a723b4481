// SPDX-License-Identifier: GPL-2.0-or-later
#include "fast_queue.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "memory.h"

const char *fast_queue_none(const struct fastpath *fp, const struct mem *mem)
{
	if (fp->vm_fd < 0)
		return fp->why;
	if (!(fp->caps & VIREO_CAP_QUEUE_BLK))
		return "vireo.ko serves no disks";
	if (mem->backend != &mem_backend_vireo)
		return "guest memory is not the module's";
	return NULL;
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
	return ioctl(fp->vm_fd, VIREO_QUEUE_ADD, add) ? -errno : 0;
}

int fast_queue_del(const struct fastpath *fp, struct vireo_queue_del *del)
{
	int rc;

	del->size = sizeof(*del);
	do {
		rc = ioctl(fp->vm_fd, VIREO_QUEUE_DEL, del) ? -errno : 0;
	} while (rc == -EINTR);
	return rc;
}

int fast_queue_state(const struct fastpath *fp, struct vireo_queue_state *state)
{
	state->size = sizeof(*state);
	return ioctl(fp->vm_fd, VIREO_QUEUE_STATE, state) ? -errno : 0;
}
