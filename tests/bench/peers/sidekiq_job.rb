# The job that Sidekiq is measured with, and how its client and its worker reach Redis.
require 'json'
require 'sidekiq'

SETTINGS = JSON.parse(ENV.fetch('DULY_PEER_SETTINGS'))
SERVER = SETTINGS['server']
REDIS = { url: "redis://127.0.0.1:#{SERVER['port']}/0" }.freeze
CALLERS = 64

def now_us
  Process.clock_gettime(Process::CLOCK_REALTIME, :microsecond)
end

Sidekiq.logger.level = Logger::WARN
Sidekiq.configure_client { |config| config.redis = { **REDIS, size: CALLERS + 1 } }
Sidekiq.configure_server do |config|
  config.redis = { **REDIS, size: SERVER['concurrency'] + 5 }
  # Of each process; with it there is no waiting for the others to say that they are there, either.
  config.options[:poll_interval_average] = SERVER['poll_s']
  config.on(:startup) { puts 'ready' }
end

# It does nothing but say when it was begun: one write to a file opened for appending. Or it takes its time, and says when it has ended too.
class Noop
  include Sidekiq::Worker
  STARTS, ENDS = %w[starts ends].map { |name| File.open(SETTINGS[name], File::WRONLY | File::APPEND | File::CREAT, 0o644) }
  SLEEP_MS = SETTINGS['sleep_ms']

  def perform(id, _filler)
    STARTS.syswrite("#{id} #{now_us}\n")
    return if SLEEP_MS.zero?

    sleep(SLEEP_MS / 1000.0)
    ENDS.syswrite("#{id} #{now_us}\n")
  end
end
