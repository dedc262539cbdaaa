package fruits

import jakarta.servlet.{Filter, FilterChain, FilterConfig, ServletRequest, ServletResponse}
import jakarta.servlet.http.{HttpServletRequest, HttpServletResponse}

/** Answers only requests for a name or address of this host, which Spark's pages otherwise don't check.
  *
  * A page elsewhere can resolve its own name to 127.0.0.1 (DNS rebinding), and would then read Spark's
  * pages in the browser of somebody who can reach them. Its requests keep its name in the Host header.
  *
  * The parameter `names` lists further names, separated by commas.
  */
class AllowedHosts extends Filter {
  private var names = Set("localhost", "127.0.0.1", "[::1]")

  override def init(config: FilterConfig): Unit =
    names ++= Option(config.getInitParameter("names")).toSeq.flatMap(_.split(",")).map(_.trim.toLowerCase)

  override def doFilter(request: ServletRequest, response: ServletResponse, chain: FilterChain): Unit = {
    val host = Option(request.asInstanceOf[HttpServletRequest].getHeader("Host")).getOrElse("")
    val name = host.replaceFirst(":[0-9]*$", "").stripSuffix(".").toLowerCase
    if (names(name) || name.stripPrefix("[").stripSuffix("]") == request.getLocalAddr)
      chain.doFilter(request, response)
    else
      response.asInstanceOf[HttpServletResponse].sendError(403, "This page is only served at names and addresses of its host")
  }
}
