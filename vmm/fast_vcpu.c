// SPDX-License-Identifier: GPL-2.0-or-later
/* A vCPU as /dev/vireo knows it: how to run it, and where to count its exits. */
#include "fastpath.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "log.h"

#define PAGE_BYTES 4096

static int create(const struct fastpath *fp, int kvm_fd, unsigned int id,
		  void *run)
{
	struct vireo_vcpu_create arg = {
		.size = sizeof(arg),
		.vcpu_fd = kvm_fd,
		.id = id,
		.run = (uintptr_t)run,
	};
	int fd;

	if (fp->vm_fd < 0 || !(fp->caps & VIREO_CAP_VCPU))
		return -1;
	fd = ioctl(fp->vm_fd, VIREO_VCPU_CREATE, &arg);
	if (fd < 0)
		log_warn(NULL, "vCPU %u: no fast path in the kernel: %s", id,
			 strerror(errno));
	return fd;
}

int fast_vcpu_init(struct fast_vcpu *vcpu, const struct fastpath *fp,
		   int kvm_fd, unsigned int id, void *run)
{
	void *page = MAP_FAILED;

	vcpu->fd = create(fp, kvm_fd, id, run);
	vcpu->runs = vcpu->fd >= 0 && fp->exit_path == VIREO_EXIT_PATH_RUN;
	if (vcpu->fd >= 0)
		page = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE,
			    MAP_SHARED, vcpu->fd, 0);
	if (page == MAP_FAILED)
		page = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED) {
		if (vcpu->fd >= 0)
			close(vcpu->fd);
		return -ENOMEM;
	}
	vcpu->page = page;
	return 0;
}

void fast_vcpu_destroy(struct fast_vcpu *vcpu)
{
	munmap(vcpu->page, PAGE_BYTES);
	if (vcpu->fd >= 0)
		close(vcpu->fd);
}
