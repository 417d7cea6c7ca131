# Facts of a host for `pratique doctor`. It reads, and changes nothing.
#
#   sh -s -- TOKEN ROOT SOCKET CERTIFICATE…
#
# TOKEN: starts the lines that begin and end a part, so that no content can pretend to be one.
# ROOT: the folder of the engine. SOCKET: the engine's socket. CERTIFICATE: files whose end is asked for.
token=$1 root=$2 socket=$3
shift 3
PATH=$PATH:/usr/sbin:/sbin:/usr/local/sbin
LC_ALL=C
export PATH LC_ALL

part() {
    part_name=$1
    shift
    printf '%s begin %s\n' "$token" "$part_name"
    "$@" 2>&1 </dev/null
    printf '\n%s end %s %s\n' "$token" "$part_name" "$?"
}

unknown_root() { [ -e "$root" ] || printf 'unknown %s\n' "$root"; }
space() { unknown_root; df -Pk -- "$root" / 2>/dev/null || df -Pk /; }
inodes() { unknown_root; df -Pi -- "$root" / 2>/dev/null || df -Pi /; }

log_files() {
    if [ ! -r "$root/containers" ]; then
        echo "$root/containers cannot be read: only root can"
        return 1
    fi
    for file in "$root"/containers/*/*-json.log* "$root"/containers/*/local-logs/*; do
        [ ! -f "$file" ] || ls -lnd -- "$file"
    done
}

# the kernel writes control characters of a name as \n or \ooo here
processes() { grep -hE '^(Name|State|Pid|PPid|Threads):' /proc/[0-9]*/status 2>/dev/null || [ -r /proc/self/status ]; }

daemons() {
    for folder in /proc/[0-9]*; do
        name=
        read -r name 2>/dev/null <"$folder/comm" || continue
        [ "$name" = dockerd ] || continue
        if [ ! -r "$folder/limits" ]; then echo "unreadable ${folder#/proc/}"; fi
        echo "daemon ${folder#/proc/}"
        tr '\000\n' '\n ' <"$folder/cmdline" 2>/dev/null | sed 's/^/ /'
        grep '^Max open files' "$folder/limits" 2>/dev/null
    done
    :
}

daemon_json() {
    if [ -e /etc/docker/daemon.json ]; then cat /etc/docker/daemon.json; else echo '{}'; fi
}

open_files() { grep -H '^Max open files' /proc/[0-9]*/limits 2>/dev/null || [ -r /proc/self/limits ]; }

kernel() {
    for name in net/netfilter/nf_conntrack_count net/netfilter/nf_conntrack_max kernel/pid_max kernel/threads-max \
        net/ipv4/ip_forward net/unix/max_dgram_qlen fs/file-nr; do
        if [ -r "/proc/sys/$name" ]; then printf '%s=%s\n' "$name" "$(cat "/proc/sys/$name")"; fi
    done
    printf 'loadavg=%s\n' "$(cat /proc/loadavg)"
    printf 'uid=%s\n' "$(id -u)"
    printf 'hostname=%s\n' "$(uname -n)"
}

memory() { grep -E '^(MemTotal|MemAvailable|SwapTotal|SwapFree):' /proc/meminfo; }

firewall() {
    if ! command -v iptables >/dev/null; then
        echo 'iptables is not installed'
        return 1
    fi
    iptables -S FORWARD || return
    iptables -S DOCKER-USER 2>/dev/null
    :
}

routes() {
    if ! command -v ip >/dev/null; then
        echo 'ip is not installed'
        return 1
    fi
    ip -4 route show
}

interfaces() { ls -1 /sys/class/net; }

time_sync() {
    if [ -d /run/systemd/system ] && command -v timedatectl >/dev/null; then
        printf 'timedatectl=%s\n' "$(timedatectl show -p NTPSynchronized --value)"
    fi
    for file in /proc/[0-9]*/comm; do
        name=
        read -r name 2>/dev/null <"$file" || continue
        case $name in chronyd | ntpd | systemd-timesyn | openntpd | ptp4l | phc2sys) echo "daemon=$name" ;; esac
    done
    :
}

sockets() {
    for file in "$socket" /var/run/docker.sock /run/containerd/containerd.sock; do
        [ ! -S "$file" ] || ls -lnd -- "$file"
    done
}

# the certificates of engines that listen on TCP
engine_certificates() {
    for folder in /proc/[0-9]*; do
        name=
        read -r name 2>/dev/null <"$folder/comm" || continue
        [ "$name" = dockerd ] || continue
        tr '\000' '\n' <"$folder/cmdline" 2>/dev/null | sed -n -e 's/^--tlscert=//p' -e '/^--tlscert$/{n;p;}'
    done
    [ ! -r /etc/docker/daemon.json ] || sed -n 's/.*"tlscert" *: *"\([^"]*\)".*/\1/p' /etc/docker/daemon.json
}

certificates() {
    if ! command -v openssl >/dev/null; then
        echo 'openssl is not installed'
        return 1
    fi
    for file in "$@" $(engine_certificates); do
        printf 'file %s\n' "$file"
        openssl x509 -noout -enddate -in "$file" 2>&1 | head -n 1
    done
}

part kernel kernel
part processes processes
part daemons daemons
part daemon_json daemon_json
part space space
part inodes inodes
part memory memory
part open_files open_files
part interfaces interfaces
part routes routes
part firewall firewall
part sockets sockets
part time_sync time_sync
part certificates certificates "$@"
part log_files log_files
printf '%s complete\n' "$token"
